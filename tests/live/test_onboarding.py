"""The page that hands out the certificate, judged by a browser."""


def test_the_page_tells_whether_the_browser_trusts_us(proxy, chromium):
    running = proxy()
    page = chromium.open("http://mid.st/", proxy=running.url, settle=3000)
    assert "<strong>Not trusted</strong>" in page
    chromium.trust(running.ca)
    page = chromium.open("http://mid.st/", proxy=running.url, settle=3000)
    assert "<strong>Trusted</strong>" in page


def test_curl_can_fetch_the_certificate_and_use_it(proxy, nginx_origin, curl, tmp_path):
    running = proxy()
    fetched = tmp_path / "fetched.pem"
    fetched.write_bytes(curl("http://mid.st/cert/pem", proxy=running.url).body)
    assert curl(nginx_origin.https("/small"), proxy=running.url, ca=fetched).status == 200
    assert curl("https://mid.st:8443/trust-check", proxy=running.url, ca=fetched).status == 204
    socks = proxy("socks5")
    assert curl("http://mid.st/", proxy=f"socks5h://127.0.0.1:{socks.port}").status == 200
