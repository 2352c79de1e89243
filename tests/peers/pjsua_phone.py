"""A phone on pjsua2, run as a process of its own: it takes commands on standard input and tells events as JSON lines.

Commands: `call URI [REPLACES]`, `answer STATUS`, `hangup`, `transfer URI`, `join`, `quit`.
Events: {"event": "registered" | "incoming" | "state" | "transfer", …}.
"""

import argparse
import json
import re
import select
import sys
from typing import Any

import pjsua2 as pj  # type: ignore[import-untyped]  # it has no types

KINDS = {
    "udp": pj.PJSIP_TRANSPORT_UDP,
    "tcp": pj.PJSIP_TRANSPORT_TCP,
    "tls": pj.PJSIP_TRANSPORT_TLS,
}


def tell(event: str, **more: Any) -> None:
    print(json.dumps({"event": event, **more}), flush=True)


class Call(pj.Call):  # type: ignore[misc]  # pjsua2 has no types
    def __init__(self, account: "Account", call_id: int = pj.PJSUA_INVALID_ID) -> None:
        super().__init__(account, call_id)
        self.account = account
        self.has_sound = False

    def onCallState(self, _: Any) -> None:
        info = self.getInfo()
        tell("state", state=info.stateText, status=info.lastStatusCode, reason=info.lastReason)

    def onCallTransferStatus(self, told: Any) -> None:
        tell("transfer", status=told.statusCode, final=bool(told.finalNotify))
        told.cont = True

    def join_sound(self) -> None:
        """Once the call is up: our tone out, what comes in into the file. This build never calls onCallMediaState."""
        if self.has_sound or not self.isActive() or self.getInfo().state != pj.PJSIP_INV_STATE_CONFIRMED:
            return
        sound = self.getAudioMedia(-1)
        self.account.player.startTransmit(sound)
        sound.startTransmit(self.account.recorder)
        self.has_sound = True
        tell("media", codec=self.getStreamInfo(0).codecName)


class Account(pj.Account):  # type: ignore[misc]
    def __init__(self, player: Any, recorder: Any, auto_answer: bool) -> None:
        super().__init__()
        self.player, self.recorder, self.auto_answer = player, recorder, auto_answer
        self.calls: list[Call] = []

    def onRegState(self, info: Any) -> None:
        tell("registered", status=info.code, active=self.getInfo().regIsActive)

    def onIncomingCall(self, incoming: Any) -> None:
        call = Call(self, incoming.callId)
        self.calls.append(call)
        invite = incoming.rdata.wholeMsg
        dialog = [
            re.findall(line, invite, re.MULTILINE)[0]
            for line in (r"^Call-ID: (.*?)\r$", r"^From: .*;tag=(.*?)\r$")
        ]
        tell("incoming", from_=call.getInfo().remoteUri, dialog=dialog)
        self.answer(200 if self.auto_answer else 180)

    def answer(self, status: int) -> None:
        parameter = pj.CallOpParam()
        parameter.statusCode = status
        self.calls[-1].answer(parameter)

    def call(self, uri: str, replaces: str) -> None:
        parameter = pj.CallOpParam(True)
        if replaces:
            header = pj.SipHeader()
            header.hName, header.hValue = "Replaces", replaces
            parameter.txOption.headers.append(header)
        self.calls.append(Call(self))
        self.calls[-1].makeCall(uri, parameter)


def main() -> None:
    arguments = read_arguments()
    endpoint = pj.Endpoint()
    endpoint.libCreate()
    settings = pj.EpConfig()
    settings.uaConfig.threadCnt = 0
    settings.logConfig.level = settings.logConfig.consoleLevel = 1
    endpoint.libInit(settings)
    transport = pj.TransportConfig()
    transport.port, transport.boundAddress = arguments.port, arguments.address
    if arguments.trusted:
        transport.tlsConfig.CaListFile, transport.tlsConfig.verifyServer = arguments.trusted, True
    transport.tlsConfig.certFile, transport.tlsConfig.privKeyFile = arguments.certificate, arguments.key
    endpoint.transportCreate(KINDS[arguments.transport], transport)
    endpoint.audDevManager().setNullDev()
    endpoint.libStart()
    for codec in endpoint.codecEnum2():
        endpoint.codecSetPriority(codec.codecId, 255 if codec.codecId.startswith(arguments.codec) else 0)
    player, recorder = pj.AudioMediaPlayer(), pj.AudioMediaRecorder()
    player.createPlayer(arguments.play)
    recorder.createRecorder(arguments.record)
    account = Account(player, recorder, arguments.auto_answer)
    account.create(account_settings(arguments))
    tell("ready")
    serve(endpoint, account)
    endpoint.hangupAllCalls()
    account.shutdown()
    # The library must see its objects go before it goes itself; the recorder closes its file so.
    account.calls.clear()
    del account, player, recorder
    endpoint.libDestroy()


def serve(endpoint: Any, account: Account) -> None:
    """Alternate between pjsip's own work and our commands, in one thread."""
    while True:
        endpoint.libHandleEvents(10)
        for call in account.calls:
            call.join_sound()
        if not select.select([sys.stdin], [], [], 0)[0]:
            continue
        verb, _, rest = sys.stdin.readline().strip().partition(" ")
        match verb:
            case "call":
                uri, _, replaces = rest.partition(" ")
                account.call(uri, replaces)
            case "answer":
                account.answer(int(rest))
            case "transfer":
                account.calls[-1].xfer(rest, pj.CallOpParam(True))
            case "join":
                # Whom the first call is with shall talk to whom the last is with.
                account.calls[0].xferReplaces(account.calls[-1], pj.CallOpParam(True))
            case "hangup":
                account.calls[-1].hangup(pj.CallOpParam())
            case _:
                return


def account_settings(arguments: argparse.Namespace) -> Any:
    settings = pj.AccountConfig()
    settings.idUri = f"sip:{arguments.user}@{arguments.domain}"
    proxy = f"sip:127.0.0.1:{arguments.proxy_port};transport={arguments.transport};lr"
    if arguments.password:
        settings.regConfig.registrarUri = f"sip:{arguments.domain};transport={arguments.transport}"
        settings.sipConfig.authCreds.append(
            pj.AuthCredInfo("digest", "*", arguments.user, 0, arguments.password)
        )
        if arguments.proxy_port:
            settings.sipConfig.proxies.append(proxy)
    settings.mediaConfig.transportConfig.boundAddress = arguments.address
    settings.mediaConfig.transportConfig.port = 30000
    settings.mediaConfig.transportConfig.portRange = 9000
    return settings


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    for name in ("user", "password", "domain", "transport", "codec", "play", "record"):
        parser.add_argument(f"--{name}", required=name != "password", default="")
    for name in ("trusted", "certificate", "key"):
        parser.add_argument(f"--{name}", default="")
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--proxy-port", type=int, required=True)
    parser.add_argument("--auto-answer", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
