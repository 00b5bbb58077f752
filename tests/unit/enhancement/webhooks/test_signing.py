"""The signature of a webhook is that of the Standard Webhooks specification."""

import pytest

from enhancement.webhooks.signing import signature, signed_headers

ID, AT, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_the_signature_of_the_specification_s_example() -> None:
    assert signature(ID, AT, BODY, SECRET) == "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    ("event_id", "at", "body", "secret"),
    [
        (ID + "x", AT, BODY, SECRET),
        (ID, AT + 1, BODY, SECRET),
        (ID, AT, BODY + b" ", SECRET),
        (ID, AT, BODY, "whsec_" + "A" * 32),
        (ID, AT, BODY, "whsec_no base64!"),
        (ID, AT, BODY, "plain words"),
    ],
)
def test_everything_counts(event_id: str, at: int, body: bytes, secret: str) -> None:
    assert signature(event_id, at, body, secret) != signature(ID, AT, BODY, SECRET)


def test_without_a_secret_nothing_is_signed() -> None:
    assert "webhook-signature" not in signed_headers(ID, AT, BODY, None)
    assert signed_headers(ID, AT, BODY, SECRET)["webhook-signature"].startswith("v1,")
