"""baresip, a phone as customers have it: real media, its own SIP stack."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .processes import NOBODY_ID, RunningProcess, clean_environment, free_port, running, server_directory
from .requirements import require

_CONFIG = """\
poll_method epoll
sip_listen 127.0.0.1:0
sip_cafile {ca_file}
sip_verify_server no
call_local_timeout 30
call_max_calls 2
audio_player aufile,{home}/heard.wav
audio_source ausine,440
audio_alert aufile,{home}/alert.wav
ausrc_srate 48000
auplay_srate 48000
ausrc_channels 2
auplay_channels 2
rtp_ports {media}-{media_end}
rtp_stats yes
net_interface 127.0.0.1
module_path /usr/lib/baresip/modules
module stdio.so
module g711.so
module ausine.so
module aufile.so
module srtp.so
module_tmp uuid.so
module_tmp account.so
module_app menu.so
"""
_ACCOUNT = (
    '<sip:{number}@{domain};transport=tls>;auth_user={number};auth_pass={password};outbound="sip:127.0.0.1:{port};'
    'transport=tls";regint=60;mediaenc=srtp-mand;audio_codecs=PCMU;answermode=auto\n'
)


@contextmanager
def baresip(
    port: int, ca_file: Path, domain: str, number: str, password: str, *commands: str
) -> Iterator[RunningProcess]:
    """Run the phone of a number that answers by itself; its log tells what it saw."""
    program = require("baresip", "baresip-core")
    user_id = NOBODY_ID if os.geteuid() == 0 else None
    with server_directory("dg-phone-", user_id) as home:
        media = free_port() & ~1
        (home / "config").write_text(_CONFIG.format(ca_file=ca_file, home=home, media=media, media_end=media + 20))
        (home / "accounts").write_text(_ACCOUNT.format(number=number, domain=domain, password=password, port=port))
        (home / "contacts").write_text("")
        args: list[str | Path] = [program, "-f", home, "-s"]
        for command in commands:
            args += ["-e", command]
        with running(args, log=home / "log", env=clean_environment(home), cwd=home, user_id=user_id) as process:
            yield process
