"""A phone subscribes to its messages over real sockets, with nobody in Python to ask."""

from typing import Self

from attrs import define, field

from tests.contracts.desk import SECRET, account, lasting, open_desk
from tests.contracts.raw_sip import RawPeer, authorization, header, status_of, tag_of
from tests.contracts.test_engine_transfers import answer

SUBSCRIPTION = "Event: message-summary\r\nExpires: 600\r\n"


@define
class Phone:
    """Anna's phone, written by hand. Leaving its block closes it."""

    peer: RawPeer
    call_id: str = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.call_id = f"subscribe-{self.peer.port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.peer.close()

    def subscribe(self, headers: str = SUBSCRIPTION) -> str:
        """Subscribe anew, with the password: the answer."""
        challenge = self.again("", headers, 1)
        assert status_of(challenge) == 407
        headers += f"Proxy-Authorization: {authorization(challenge, 'anna', SECRET, 'SUBSCRIBE')}\r\n"
        return self.again("", headers)

    def again(self, tag: str, headers: str = SUBSCRIPTION, cseq: int = 2) -> str:
        """Subscribe once more, inside the dialog with our `tag`: the answer."""
        return self.peer.ask(
            self.peer.request(
                "SUBSCRIBE", "anna", caller="anna", call_id=self.call_id, tag=tag, cseq=cseq, headers=headers
            )
        )

    def told(self) -> tuple[str, str]:
        """The next NOTIFY, which is taken: its state and body."""
        notify = self.peer.receive()
        assert notify.startswith("NOTIFY "), notify
        assert header(notify, "Event") == "message-summary"
        self.peer.send(answer(notify, 200, "OK"))
        return header(notify, "Subscription-State"), notify.split("\r\n\r\n", 1)[1]


async def test_a_phone_hears_of_its_messages_until_it_wants_no_more() -> None:
    async with open_desk() as exchange:
        exchange.engine.set_accounts([account("anna")])
        with Phone(RawPeer(exchange.port)) as phone:
            accepted = phone.subscribe()
            assert (status_of(accepted), header(accepted, "Expires")) == (200, "600")
            state, body = phone.told()
            assert state.startswith("active;expires=")
            assert body.startswith("Messages-Waiting: no\r\n")
            assert await exchange.counter("sip_subscriptions", 1) == 1
            ended = phone.again(tag_of(accepted), "Event: message-summary\r\nExpires: 0\r\n", 3)
            assert (status_of(ended), header(ended, "Expires")) == (200, "0")
            assert phone.told()[0] == "terminated;reason=timeout"


async def test_after_a_restart_a_refresh_hears_481_and_the_phone_subscribes_anew() -> None:
    listening = lasting()
    async with open_desk(listening) as exchange:
        exchange.engine.set_accounts([account("anna")])
        phone = Phone(RawPeer(exchange.port))
        tag = tag_of(phone.subscribe())
        phone.told()
    async with open_desk(listening) as exchange:
        exchange.engine.set_accounts([account("anna")])
        with phone:
            assert status_of(phone.again(tag, cseq=3)) == 481
            assert status_of(phone.subscribe()) == 200
            assert phone.told()[0].startswith("active")


async def test_what_there_is_not_is_refused_by_name() -> None:
    async with open_desk() as exchange:
        exchange.engine.set_accounts([account("anna")])
        with Phone(RawPeer(exchange.port)) as phone:
            refused = phone.subscribe("Event: dialog\r\n")
            assert (status_of(refused), header(refused, "Allow-Events")) == (489, "message-summary")
