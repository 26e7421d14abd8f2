"""Keys and certificates made by the openssl program, for tests of TLS.

    folder = certificates.make(path)    # cert.pem, key.pem (P-256, for localhost, signed by ca.pem), rsa.pem, rsa.key,
                                        # other.key, client.pem, client.key (signed by ca.pem), stranger.pem,
                                        # stranger.key (signed by nobody else), junk.pem
"""

import os
import subprocess

P256 = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
SERVER = "subjectAltName=DNS:localhost,IP:127.0.0.1"
CLIENT = "subjectAltName=DNS:client.example,email:me@example.org,IP:10.1.2.3,URI:spiffe://example/client"


def openssl(folder, *arguments):
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def alone(folder, name, key, subject, *extensions, kind=P256):
    """A certificate signed by its own key."""
    more = [word for e in extensions for word in ("-addext", e)]
    openssl(folder, "req", "-x509", *kind, "-nodes", "-days", "30", "-keyout", key, "-out", name, "-subj", subject, *more)


def signed(folder, name, key, subject, *extensions):
    """A certificate signed by ca.key."""
    request, text = name + ".csr", name + ".ext"
    openssl(folder, "req", *P256, "-nodes", "-keyout", key, "-out", request, "-subj", subject)
    with open(os.path.join(folder, text), "w", encoding="utf-8") as file:
        file.write("\n".join((*extensions, "subjectKeyIdentifier=hash", "authorityKeyIdentifier=keyid")) + "\n")
    openssl(folder, "x509", "-req", "-in", request, "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "30",
            "-out", name, "-extfile", text)


def server(folder, name="cert.pem", key="key.pem"):
    signed(folder, name, key, "/CN=localhost", SERVER)


def make(folder):
    alone(folder, "ca.pem", "ca.key", "/CN=test CA", "basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign")
    server(folder)
    alone(folder, "rsa.pem", "rsa.key", "/CN=localhost", SERVER, kind=["-newkey", "rsa:2048"])
    alone(folder, "other.pem", "other.key", "/CN=other")
    signed(folder, "client.pem", "client.key", "/CN=client", CLIENT, "extendedKeyUsage=clientAuth")
    alone(folder, "stranger.pem", "stranger.key", "/CN=stranger", CLIENT, "extendedKeyUsage=clientAuth")
    with open(os.path.join(folder, "junk.pem"), "w", encoding="utf-8") as file:
        file.write("junk\n")
    return folder
