"""The api's description as a page."""

from __future__ import annotations

from tests.support.web import Api


def test_the_page_is_the_description_and_loads_nothing(api: Api) -> None:
    page = api.ask("GET", "/docs")
    document = api.ask("GET", "/openapi.json").json()
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'sha256-")
    for path, operations in document["paths"].items():
        assert f'<span class="path">{path}</span>' in page.text
        for operation in operations.values():
            assert operation["summary"].replace("'", "&#39;") in page.text
    for name in document["components"]["schemas"]:
        assert f'id="{name}"' in page.text
    for loads in ("<script", "<link", "<img", "src=", "style=", "onclick"):
        assert loads not in page.text
