"""The console in a real browser: signing in, importing a key, approving, refusing, stopping."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from tests.gateway import charters
from tests.gateway.fake import Turn
from tests.gateway.ways import ask

from adhere.gateway.console import pages
from adhere.gateway.policy import policy as policies
from adhere.warden.engine.warden import Warden
from adhere.warden.supervision import attest

CHROMIUM = Path("/usr/bin/chromium")
sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
if not CHROMIUM.exists():
    pytest.skip(f"no browser at {CHROMIUM}", allow_module_level=True)


@pytest.fixture(scope="module")
def chromium():
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield browser
        browser.close()


@pytest.fixture
def charter(tmp_path):
    return charters.found(tmp_path / "charter")


@pytest.fixture
def page(fake, charter, tmp_path, chromium):
    key, kept = policies.new_key()
    held = charters.policy(
        tmp_path,
        routes=[{"constraints": [{"kind": "length.words", "at_most": 5}], "wait": 20}],
        console={"key": kept},
    )
    with charters.gateway(fake, held, charter.folder, pages.routes) as url:
        context = chromium.new_context(base_url=url)
        page = context.new_page()
        page.set_default_timeout(8000)
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda said: faults.append(said.text) if "Content Security" in said.text else None)
        page.goto("/console")
        page.get_by_label("Console key").fill(key)
        page.keyboard.press("Enter")
        page.wait_for_url("**/console")
        page.url_of_gateway = url
        yield page
        assert not faults
        context.close()


def import_key(page, charter, name: str = "board") -> None:
    page.goto("/console/key")
    page.get_by_label("Private key").fill(charter.keys[name].private_bytes.decode())
    page.get_by_role("button", name="Import").click()
    page.get_by_text(f"The key of {name}").wait_for()


def asking(page, fake, got: list) -> threading.Thread:
    call = ("c1", "send_email", '{"to": "a@example.org", "body": "Ünïcode & <b>markup</b>"}')
    fake.says("m", Turn(calls=(call,), finish="tool_calls"))
    url = page.url_of_gateway
    thread = threading.Thread(target=lambda: got.append(ask(url, "chat-whole", "m", tools=["send_email"])))
    thread.start()
    return thread


def test_an_act_is_approved_by_a_signature_made_in_the_browser(page, fake, charter):
    import_key(page, charter)
    got: list = []
    thread = asking(page, fake, got)
    page.goto("/console/held")
    page.get_by_role("link", name="send_email").click()
    assert "a@example.org" in page.locator("#shown").inner_text()
    page.get_by_text("You sign as board").wait_for()
    page.get_by_role("button", name="Approve and sign").press("Enter")
    page.get_by_text("approve: approved, signed by board").wait_for()
    thread.join(10)
    assert [name for name, _ in got[0].calls] == ["send_email"]
    assert charter.entries("approve")[-1].body["by"] == ["board"]


def test_a_refusal_signed_in_the_browser_lets_nothing_through(page, fake, charter):
    import_key(page, charter, "deputy")
    got: list = []
    thread = asking(page, fake, got)
    page.goto("/console/held")
    page.get_by_role("link", name="send_email").click()
    page.get_by_text("You sign as deputy").wait_for()
    page.get_by_role("button", name="Refuse and sign").click()
    page.get_by_text("refuse: refused").wait_for()
    thread.join(10)
    assert not got[0].calls


def test_text_that_was_changed_on_the_page_is_not_signed(page, fake, charter):
    import_key(page, charter)
    got: list = []
    thread = asking(page, fake, got)
    page.goto("/console/held")
    page.get_by_role("link", name="send_email").click()
    page.get_by_text("You sign as board").wait_for()
    page.evaluate("document.getElementById('shown').textContent += ' and more'")
    page.get_by_role("button", name="Approve and sign").click()
    page.get_by_text("the act changed since it was shown: nothing was signed").wait_for()
    assert not charter.entries("approve")
    page.reload()
    page.get_by_text("You sign as board").wait_for()
    page.get_by_role("button", name="Refuse and sign").click()
    thread.join(10)


def test_what_was_held_before_the_page_listened_appears(page, fake, charter):
    import_key(page, charter)
    kept: list = []
    page.route("**/console/events", lambda route: kept.append(route))
    page.goto("/console/held")
    page.get_by_text("Nothing waits.").wait_for()
    got: list = []
    thread = asking(page, fake, got)
    until = time.monotonic() + 10
    while time.monotonic() < until:
        if any(entry.body["verdict"] == "ask" for entry in charter.entries("decision")):
            break
        page.wait_for_timeout(50)
    kept[0].continue_()
    page.get_by_role("link", name="send_email").click()
    page.get_by_text("You sign as board").wait_for()
    page.get_by_role("button", name="Refuse and sign").click()
    thread.join(10)
    assert not got[0].calls


def test_the_key_never_leaves_the_browser(page, charter):
    sent: list[str] = []
    page.on("request", lambda request: sent.append(f"{request.url} {request.post_data or ''}"))
    import_key(page, charter)
    secret = charter.keys["board"].private_bytes.decode()
    lines = [line for line in secret.splitlines() if "-----" not in line]
    assert sent
    assert not any(line in each for line in lines for each in sent)
    exported = page.evaluate("""async () => {
        const { load } = await import("/console/static/keys.js");
        const record = await load();
        try { await crypto.subtle.exportKey("pkcs8", record.key); return "exported"; }
        catch (error) { return error.name; }
    }""")
    assert exported == "InvalidAccessError"
    page.get_by_role("button", name="Forget").click()
    page.get_by_text("No key.").wait_for()


def test_a_strangers_key_is_not_taken(page):
    from securesystemslib.signer import CryptoSigner

    page.goto("/console/key")
    page.get_by_label("Private key").fill(CryptoSigner.generate_ed25519().private_bytes.decode())
    page.get_by_role("button", name="Import").click()
    page.get_by_text("belongs to no principal").wait_for()
    page.get_by_label("Private key").fill("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----")
    page.get_by_role("button", name="Import").click()
    page.get_by_text("no Ed25519 private key").wait_for()


def test_a_key_made_in_the_browser_gives_a_public_part_for_the_charter(page, tmp_path):
    from adhere.warden.charter import keys

    page.goto("/console/key")
    page.get_by_label("Your name in the charter").fill("heir")
    page.get_by_role("button", name="Make a key").click()
    page.locator("#public").wait_for()
    text = page.locator("#public").inner_text()
    (tmp_path / "heir.pub").write_text(text[text.index("-----BEGIN") : text.index("-----END") + 24] + "\n")
    assert keys.load_public(tmp_path / "heir.pub").keytype == "ed25519"


def test_the_stop_is_signed_shown_and_attested(page, fake, charter):
    import_key(page, charter)
    fake.says("slow", Turn(*(["word "] * 400), pause=0.02))
    got: list = []
    url = page.url_of_gateway
    thread = threading.Thread(target=lambda: got.append(ask(url, "chat-streamed", "slow")))
    thread.start()
    page.get_by_role("link", name="Stop").click()
    page.get_by_label("Why, for the ledger").fill("a drill")
    page.get_by_text("You sign as board").wait_for()
    button = page.get_by_role("button", name="Stop and sign")
    assert button.is_disabled()
    page.get_by_label("now").check()
    button.click()
    page.get_by_role("heading", name="Attestation").wait_for()
    assert "by board" in page.locator("main").inner_text()
    assert "a drill" in page.locator("main").inner_text()
    with page.expect_download() as download:
        page.get_by_role("link", name="The signed attestation").click()
    data = Path(download.value.path()).read_bytes()
    with Warden.open(charter.folder, instance="test") as warden:
        assert attest.verify(data, warden.charter.terms.warden).body["by"] == ["board"]
    thread.join(5)
    assert got[0].error == "stopped"
    assert ask(url, "chat-whole", "m").error == "stopped"


def test_what_happens_appears_without_a_reload(page, fake):
    fake.says("m", Turn("one two three"))
    page.goto("/console/live")
    page.get_by_text("Nothing has happened yet").wait_for()
    time.sleep(0.3)
    assert ask(page.url_of_gateway, "chat-whole", "m").text == "one two three"
    page.get_by_text("13 characters").wait_for(timeout=5000)


@pytest.mark.parametrize("path", ["", "/live", "/held", "/adherence", "/ledger", "/key", "/stop"])
def test_no_page_scrolls_sideways_on_a_telephone(page, fake, path):
    fake.says("m", Turn("one two three"))
    ask(page.url_of_gateway, "chat-whole", "m")
    page.set_viewport_size({"width": 375, "height": 740})
    page.goto(f"/console{path}")
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
