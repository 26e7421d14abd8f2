// shim.cpp - see shim.h. Everything is noexcept: an exception in here ends the process.
#include "base/shim.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include <fast_float/fast_float.h>
#include <re2/re2.h>

struct shim_re {
    RE2 re;
    shim_re(const re2::StringPiece &pattern, const RE2::Options &options) : re(pattern, options)
    {
    }
};

namespace {

shim_re_code code_of(RE2::ErrorCode code)
{
    switch (code) {
    case RE2::NoError:
        return SHIM_RE_OK;
    case RE2::ErrorBadEscape:
        return SHIM_RE_BAD_ESCAPE;
    case RE2::ErrorBadCharClass:
        return SHIM_RE_BAD_CLASS;
    case RE2::ErrorBadCharRange:
        return SHIM_RE_BAD_RANGE;
    case RE2::ErrorMissingBracket:
        return SHIM_RE_MISSING_BRACKET;
    case RE2::ErrorMissingParen:
        return SHIM_RE_MISSING_PAREN;
    case RE2::ErrorUnexpectedParen:
        return SHIM_RE_UNEXPECTED_PAREN;
    case RE2::ErrorTrailingBackslash:
        return SHIM_RE_TRAILING_BACKSLASH;
    case RE2::ErrorRepeatArgument:
        return SHIM_RE_REPEAT_ARGUMENT;
    case RE2::ErrorRepeatSize:
        return SHIM_RE_REPEAT_SIZE;
    case RE2::ErrorRepeatOp:
        return SHIM_RE_REPEAT_OP;
    case RE2::ErrorBadPerlOp:
        return SHIM_RE_BAD_PERL_OP;
    case RE2::ErrorBadUTF8:
        return SHIM_RE_BAD_UTF8;
    case RE2::ErrorBadNamedCapture:
        return SHIM_RE_BAD_NAMED_CAPTURE;
    case RE2::ErrorPatternTooLarge:
        return SHIM_RE_TOO_LARGE;
    default:
        return SHIM_RE_INTERNAL;
    }
}

// RE2 tells "no group" from "empty group" by a null pointer, so the text must never have one.
re2::StringPiece piece(const char *p, size_t n)
{
    return re2::StringPiece(p == nullptr ? "" : p, n);
}

} // namespace

extern "C" double shim_parse_decimal(const char *p, size_t n)
{
    double v = 0;
    // The value stands also where a version of the library reports "out of range".
    fast_float::from_chars(p, p + n, v);
    return v;
}

extern "C" shim_re *shim_re_new(const char *p, size_t n, int64_t max_bytes, shim_re_error *err)
{
    RE2::Options options;
    options.set_encoding(RE2::Options::EncodingUTF8);
    options.set_dot_nl(true);
    options.set_never_nl(false);
    options.set_log_errors(false);
    options.set_max_mem(max_bytes);

    auto *re = new shim_re(piece(p, n), options);
    if (re->re.ok())
        return re;
    const std::string &arg = re->re.error_arg();
    err->code = code_of(re->re.error_code());
    err->arg_n = std::min(arg.size(), sizeof err->arg);
    memcpy(err->arg, arg.data(), err->arg_n);
    delete re;
    return nullptr;
}

extern "C" void shim_re_free(shim_re *re)
{
    delete re;
}

extern "C" bool shim_re_match(const shim_re *re, const char *p, size_t n, shim_span *groups,
                              size_t groups_n)
{
    size_t want = std::min(groups_n, shim_re_group_count(re) + 1);
    std::vector<re2::StringPiece> sub(want);
    if (!re->re.Match(piece(p, n), 0, n, RE2::ANCHOR_BOTH, sub.data(), static_cast<int>(want)))
        return false;
    for (size_t i = 0; i < groups_n; i++)
        groups[i] = i < want ? shim_span{sub[i].data(), sub[i].size()} : shim_span{nullptr, 0};
    return true;
}

extern "C" size_t shim_re_group_count(const shim_re *re)
{
    return static_cast<size_t>(re->re.NumberOfCapturingGroups());
}

extern "C" int shim_re_group_index(const shim_re *re, const char *name, size_t n)
{
    const auto &groups = re->re.NamedCapturingGroups();
    auto it = groups.find(std::string(name == nullptr ? "" : name, n));
    return it == groups.end() ? -1 : it->second;
}
