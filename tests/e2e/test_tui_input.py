"""What a terminal may send: bytes of other encodings, invisible characters, keys that lead elsewhere."""

import pytest
from e2e.terminal import Terminal, records, terminal


def first_question(screen: Terminal, user: dict[str, str]) -> object:
    """Send what was typed; gives it as it was saved."""
    screen.press("enter")
    screen.wait_for(lambda: bool(records(user, "message")), 30, "the question's record")
    message = records(user, "message")[0]["message"]
    assert isinstance(message, dict)
    return message["content"]


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        (b"\xe9\xff", "\ufffd\ufffd"),
        ("garçon".encode("latin-1"), "gar\ufffdon"),
        ("静夜".encode("gbk"), "静夜".encode("gbk").decode(errors="replace")),
    ],
)
def test_bytes_that_are_not_utf_8_are_survived(user: dict[str, str], sent: bytes, shown: str) -> None:
    with terminal("demo", env=user) as screen:
        screen.see("^O")
        screen.send(sent)
        screen.send(b" and then text")
        screen.see("and then text")
        screen.send(b" \x1b[200~" + sent + b" pasted\x1b[201~")
        screen.see("pasted")
        assert first_question(screen, user) == f"{shown} and then text {shown} pasted"


def test_a_character_may_come_in_pieces(user: dict[str, str]) -> None:
    with terminal("demo", env=user) as screen:
        screen.see("^O")
        whole = "静".encode()
        screen.send(b"a" + whole[:1])
        screen.see("a")
        screen.send(whole[1:] + b"b end")
        screen.see("b end")
        assert first_question(screen, user) == "a静b end"


def test_joiners_arrive(user: dict[str, str]) -> None:
    family = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
    with terminal("demo", env=user) as screen:
        screen.see("^O")
        screen.send(f"می\u200cخواهم {family} end".encode())
        screen.see("end")
        assert first_question(screen, user) == f"می\u200cخواهم {family} end"
