"""Failures on the way to a hub or server: no network, proxies, certificates, connections that break."""

from __future__ import annotations

from touchstone.failures.failure import Failure, Standing, phrases
from touchstone.message import say

HUB_NETWORK: tuple[Failure, ...] = (
    Failure(
        "hub-offline", "hub", phrases("outgoing traffic has been disabled", "OfflineModeIsEnabled:", "offline mode is enabled"),
        say("The hub was switched off (HF_HUB_OFFLINE=1 or local_files_only), and the files are not in the cache."),
        say("Fetch them once with the network on, or name the directory that holds them; check that HF_HOME is the one they were fetched "
            "to."),
        "recorded with huggingface_hub 2.4.0",
        "huggingface_hub.errors.LocalEntryNotFoundError: Cannot find an appropriate cached snapshot folder for the specified revision on "
        "the local disk and outgoing traffic has been disabled. "
        "To enable repo look-ups and downloads online, set 'HF_HUB_OFFLINE=0' as environment variable."),
    Failure(
        "certificate", "hub", phrases("CERTIFICATE_VERIFY_FAILED", "certificate verify failed"),
        say("The certificate is not trusted here. A proxy that reads the traffic puts its own in place; or this host's certificates or "
            "clock are old."),
        say("Get the proxy's root certificate and point SSL_CERT_FILE and REQUESTS_CA_BUNDLE to it; do not switch verification off."),
        "whisper-standalone-win #395, transformers #17611",
        "urllib3.exceptions.SSLError: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate in certificate "
        "chain (_ssl.c:1007)"),
    Failure(
        "not-tls", "hub", phrases("WRONG_VERSION_NUMBER"),
        say("The other side does not speak TLS: an https address of a server that speaks http, or a proxy given as https://."),
        say("Write http:// in the endpoint, or in HTTPS_PROXY the proxy's own scheme, which is usually http://."),
        "recorded with huggingface_hub 2.4.0",
        "httpx2.ConnectError: [SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)"),
    Failure(
        "proxy", "hub", phrases("ProxyError:", "ProxyError('", "Cannot connect to proxy", "Unable to connect to proxy",
                                "407 Proxy Authentication Required"),
        say("The proxy named in HTTP_PROXY or HTTPS_PROXY cannot be reached or refuses."),
        say("Check both variables and their lower-case twins; set NO_PROXY=localhost,127.0.0.1 so that a benchmark of this host does not "
            "pass through it."),
        "recorded with requests 2.32",
        "requests.exceptions.ProxyError: HTTPSConnectionPool(host='huggingface.co', port=443): Max retries exceeded with url: "
        "/api/models/gpt2 (Caused by ProxyError('Unable to connect to proxy', "
        "NewConnectionError(\"HTTPSConnection(host='127.0.0.1', port=9): Failed to establish a new connection: [Errno 111] "
        'Connection refused")))'),
    Failure(
        "name-resolution", "hub", phrases("Name or service not known", "Temporary failure in name resolution", "getaddrinfo failed",
                                          "nodename nor servname"),
        say("The host's name cannot be resolved: no network, no DNS in this container, or a misspelt address."),
        say("Check the address and DNS; in a closed network use a mirror (HF_ENDPOINT, MODELSCOPE_ENDPOINT) or copy the files by hand."),
        "recorded with huggingface_hub 2.4.0",
        "httpx2.ConnectError: [Errno -2] Name or service not known"),
    Failure(
        "connection-refused", "hub", phrases("Connection refused", "[Errno 111]", "Network is unreachable", "No route to host"),
        say("Nothing answers at that address: the server has not started or has ended, the port is another, or the network does not lead "
            "there."),
        say("Is the server up and is that its address, also as seen from this container? For a hub: check proxy and firewall, or use a "
            "mirror."),
        "recorded with huggingface_hub 2.4.0 and modelscope 1.40.2",
        "httpx2.ConnectError: [Errno 111] Connection refused"),
    Failure(
        "connection-broken", "hub",
        phrases("Connection reset by peer", "ConnectionResetError:", "ConnectionResetError(104", "IncompleteRead(",
                "without sending complete message body", "Connection broken:", "Read timed out", "RemoteDisconnected("),
        say("The connection broke in the middle: an unstable network, a proxy with a limit, or a server that ended."),
        say("Try again: downloads go on where they stopped. For big files from far away use a mirror and fewer workers at a time; if it "
            "was a server under load, read its log of that moment."),
        "recorded with huggingface_hub 2.4.0",
        "httpx2.RemoteProtocolError: peer closed connection without sending complete message body (received 1000 bytes, expected 1000000)"),
    Failure(
        "download-size", "hub", phrases("Consistency check failed: file should be of size"),
        say("A downloaded file has not the size that the hub names: it was cut off, or a proxy answered with a page of its own."),
        say("Fetch that file again with force_download; look into it if it is small: it may be the proxy's message."),
        "huggingface_hub #1498, #2589",
        "OSError: Consistency check failed: file should be of size 9860464979 but has size 4277965032 ((…)l-00006-of-00007.bin)."),
    Failure(
        "hub-not-reached", "hub",
        phrases("cannot find the requested files in the local cache", "couldn't find them in the cached files",
                "cannot find the appropriate snapshot folder", "We couldn't connect to '"),
        say("The hub was not reached, and the files are not in the cache. A deeper reason, if there is one, stands above."),
        say("Read the error above it. Without network: fetch the files elsewhere and name their directory; behind a wall use a mirror "
            "(HF_ENDPOINT)."),
        "layerdivider #53; recorded with huggingface_hub 2.4.0",
        "huggingface_hub.errors.LocalEntryNotFoundError: An error happened while trying to locate the file on the Hub and we cannot find "
        "the requested files in the local cache. "
        "Please check your connection and try again or make sure your Internet connection is on.", Standing.STEP),
)
