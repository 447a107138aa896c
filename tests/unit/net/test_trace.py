from __future__ import annotations

from fleetctl.net.tracepoints import read_points

HEAD = """\
# tracer: nop
#
#           TASK-PID     CPU#  |||||  TIMESTAMP  FUNCTION
#              | |         |   |||||     |         |
"""


def shown(*lines: str) -> list[str]:
    points = read_points(HEAD + "".join(f"{line}\n" for line in lines))
    return [f"{point.event} {point.interface or point.reason}" for point in points]


def line(event: str, flags: str = "b....", task: str = "python3-100") -> str:
    return f"{task:>23} [001] {flags} 13159.840125: {event}"


def sent(
    packet: str, interface: str = "eth0", length: int = 74, flags: str = "b....", task: str = "python3-100"
) -> str:
    return line(f"net_dev_queue: dev={interface} skbaddr={packet} len={length}", flags, task)


def received(packet: str, interface: str = "vc", length: int = 60, task: str = "python3-100") -> str:
    return line(f"netif_receive_skb: dev={interface} skbaddr={packet} len={length}", "..s1.", task)


def freed(packet: str, reason: str, location: str = "nft_do_chain+0x1/0x2", flags: str = "..s1.") -> str:
    text = f"skbaddr={packet} rx_sk=0000000000000000 protocol=2048 location={location} reason: {reason}"
    return line(f"kfree_skb: {text}", flags)


def test_a_way_is_told_in_order_with_the_reason_and_place_of_the_loss() -> None:
    lines = (sent("aa"), received("aa"), freed("aa", "NETFILTER_DROP", "nft_do_chain+0x57/0xf0 [nf_tables]"))
    assert shown(*lines) == ["tx eth0", "rx vc", "drop NETFILTER_DROP"]
    assert read_points("\n".join(lines))[-1].location == "nft_do_chain"


def test_what_a_socket_gives_back_is_no_loss() -> None:
    given_back = (
        freed("aa", "QUEUE_PURGE", "sk_stream_kill_queues+0x57/0xf0"),
        freed("aa", "NOT_SPECIFIED", "tcp_v4_rcv+0x1/0x2"),
    )
    assert shown(sent("aa"), received("aa"), *given_back) == ["tx eth0", "rx vc"]


def test_a_loss_without_a_reason_outside_of_sockets_is_told() -> None:
    lost = freed("aa", "NOT_SPECIFIED", "br_handle_frame_finish+0x1/0x2")
    assert shown(sent("aa"), received("aa"), lost)[-1] == "drop NOT_SPECIFIED"


def test_a_kernel_that_knows_no_reasons_still_names_the_place() -> None:
    old = line("kfree_skb: skbaddr=aa protocol=2048 location=ip_rcv_core+0x1/0x2", "..s1.")
    (point,) = read_points(old.replace("..s1.", "....."))
    assert (point.event, point.reason, point.location) == ("drop", None, "ip_rcv_core")


def test_arp_is_not_told_but_what_its_answer_sends_is() -> None:
    assert shown(
        sent("aa", length=42),
        received("aa", length=28),
        sent("bb", length=42, flags="b.s1."),
        received("bb", length=28),
        sent("cc", flags="b.s1."),
        received("cc"),
    ) == ["tx eth0", "rx vc"]


def test_other_peoples_packets_that_an_interrupt_brings_are_left_out() -> None:
    assert shown(
        sent("aa"),
        received("aa"),
        received("aa", interface="br0"),
        received("ff", interface="ens5"),
        sent("ee", interface="ens5", flags="b.s1."),
        freed("ee", "NETFILTER_DROP"),
        sent("bb"),
        received("bb"),
    ) == ["tx eth0", "rx vc", "rx br0", "tx eth0", "rx vc"]


def test_a_stranger_at_the_address_of_a_former_packet_is_left_out() -> None:
    kernel = "ksoftirqd/1-20"
    assert shown(
        sent("aa"),
        received("aa"),
        received("aa", length=56, task=kernel),
        freed("aa", "NOT_SPECIFIED", "ip6_mc_input+0x1/0x2").replace("python3-100", kernel),
        sent("bb"),
        received("bb", length=56, task=kernel),
        sent("dd", flags="b.s1.", task=kernel),
    ) == ["tx eth0", "rx vc", "tx eth0"]


def test_what_a_timer_sends_or_drops_is_left_out() -> None:
    timer = line("softirq_entry: vec=1 [action=TIMER]", "..s1.")
    assert shown(sent("aa"), received("aa"), timer, sent("ee", flags="b.s1."), freed("ee", "NETFILTER_DROP")) == [
        "tx eth0",
        "rx vc",
    ]


def test_a_packet_that_a_softirq_thread_took_over_is_followed_and_its_other_work_is_not() -> None:
    kernel = "ksoftirqd/1-20"
    assert shown(
        received("ff", task=kernel),
        sent("aa"),
        received("aa", task=kernel),
        sent("aa", interface="vs", flags="b.s1.", task=kernel),
        received("ee", interface="ens5", task=kernel),
        sent("dd", flags="b.s1.", task=kernel),
        received("aa", interface="eth0", task=kernel),
    ) == ["tx eth0", "rx vc", "tx vs", "rx eth0"]


def test_names_of_tasks_with_spaces_and_hyphens_are_read() -> None:
    assert shown(sent("aa", task="my app-server-100")) == ["tx eth0"]


def test_lines_that_are_none_of_these_events_are_passed_over() -> None:
    assert shown("CPU:1 [LOST 4 EVENTS]", line("sched_switch: x=y"), "", "rubbish") == []
