"""A browser as the client: a page with all it is made of, over HTTPS, and not one complaint."""

import struct
import zlib

import pytest

PAGE = """<!doctype html>
<title>loading</title>
<link rel="stylesheet" href="/page/style.css">
<script src="/page/script.js"></script>
<body>
<p id="styled">text</p>
<img id="picture" src="/page/picture.png">
<iframe src="/page/frame.html"></iframe>
<script>
  for (const url of ["/gzip/text.txt", "/chunked/text.txt", "/no-content", "/moved"]) {
    const request = new XMLHttpRequest();
    request.open("GET", url, false);
    request.send();
    result(url, request.status + " " + request.responseText.length);
  }
  const upload = new XMLHttpRequest();
  upload.open("PUT", "/upload/from-the-browser", false);
  upload.send("x".repeat(100000));
  result("upload", upload.status);
  onload = () => {
    result("picture", document.getElementById("picture").naturalWidth);
    result("style", getComputedStyle(document.getElementById("styled")).color);
    console.log("the page is complete");
  };
</script>
"""
SCRIPT = """
document.title = "loaded";
function result(name, value) {
  document.documentElement.setAttribute("data-" + name.replace(/[^a-z]/g, "-"), value);
}
"""


def png(width):
    """Make a black picture, one pixel high."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, 1, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(width + 1))) + chunk(b"IEND", b"")


@pytest.fixture
def page(nginx_origin):
    """Lay out a page with sub-resources on the origin; the path to it."""
    folder = nginx_origin.documents / "page"
    folder.mkdir(exist_ok=True)
    (folder / "index.html").write_text(PAGE)
    (folder / "style.css").write_text("#styled { color: rgb(1, 2, 3) }")
    (folder / "script.js").write_text(SCRIPT)
    (folder / "picture.png").write_bytes(png(7))
    (folder / "frame.html").write_text("<p>framed</p>")
    return "/page/index.html"


def test_a_page_with_all_it_is_made_of(proxy, nginx_origin, chromium, page):
    running = proxy()
    chromium.trust(running.ca)
    seen = chromium.visit(nginx_origin.https(page), proxy=running.url)
    assert "<title>loaded</title>" in seen.document
    for result in (
        'data--gzip-text-txt="200 18000"',
        'data--chunked-text-txt="200 18000"',
        'data--no-content="204 0"',
        'data--moved="200 15"',
        'data-upload="20',
        'data-picture="7"',
        'data-style="rgb(1, 2, 3)"',
    ):
        assert result in seen.document
    assert any("the page is complete" in line for line in seen.console)
    assert [line for line in seen.log if is_complaint(line)] == []
    assert nginx_origin.uploaded("from-the-browser") == b"x" * 100_000
    flows = to_origin(running, nginx_origin)
    paths = {flow.request.path for flow in flows}
    assert paths >= {page, "/page/style.css", "/page/script.js", "/page/picture.png", "/page/frame.html", "/small"}
    assert [flow for flow in flows if flow.error] == []


def to_origin(running, origin):
    """The flows that the page caused; browsers have errands of their own."""
    return [flow for flow in running.flows if flow.request.port == origin.https_port]


def is_complaint(line):
    words = line.lower()
    return any(sign in words for sign in ("cert", "ssl", "handshake", "net_error", "err_", "insecure"))


def test_a_page_that_an_addon_changes(proxy, nginx_origin, chromium, page):
    class Editor:
        def response(self, flow):
            if flow.request.path == "/page/script.js":
                flow.response.text = flow.response.text.replace("loaded", "edited")

    running = proxy(addons=(Editor(),))
    chromium.trust(running.ca)
    assert "<title>edited</title>" in chromium.open(nginx_origin.https(page), proxy=running.url)


def test_a_browser_that_does_not_trust_us_says_so(proxy, nginx_origin, chromium):
    running = proxy()
    seen = chromium.visit(nginx_origin.https("/index.html"), proxy=running.url)
    assert "It works" not in seen.document
    assert any(is_complaint(line) for line in seen.log)
    assert to_origin(running, nginx_origin) == []
