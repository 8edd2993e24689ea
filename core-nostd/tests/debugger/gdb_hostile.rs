//! What a client should not send to the gdb server.

use crate::gdb_client::Client;
use crate::wire::packet;

#[test]
fn what_arrives_damaged_is_asked_for_again_and_the_answer_can_be_as_well() {
    let mut buffer = [0; 2048];
    let mut client = Client::new(1, &mut buffer);
    client.receive(b"$qC#00");
    assert_eq!(client.sent.take(), b"-");
    client.receive(b"$qC#b4");
    assert_eq!(client.sent.take(), b"+$QC1#c5");
    client.receive(b"-");
    assert_eq!(client.sent.take(), b"$QC1#c5");
    assert_eq!(client.ask("QStartNoAckMode"), "OK");
    client.receive(b"-$qC#b4");
    assert_eq!(client.sent.take(), b"$QC1#c5");
}

#[test]
fn the_session_goes_on_after_packets_that_mean_nothing() {
    let mut buffer = [0; 2048];
    let mut client = Client::new(1, &mut buffer);
    let long = "q".repeat(5000);
    for (payload, answer) in [
        ("m", "E16"),
        ("mzz,4", "E16"),
        ("p999", "E16"),
        ("P1=00", "E16"),
        ("G00", "E16"),
        ("vCont;x", "E16"),
        ("Hg9", "E16"),
        ("T9", "E16"),
        ("vRun;", "E16"),
        ("vAttach;2", "E16"),
        ("QNonStop:1", "E16"),
        ("vMustReplyEmpty", ""),
        ("qTStatus", ""),
        ("Z9,0,0", ""),
        (long.as_str(), "E16"),
    ] {
        assert_eq!(client.ask(payload), answer, "{payload}");
        assert!(client.ask("?").starts_with("T02"), "{payload}");
    }
}

/// Random packets, random bytes, and packets cut off anywhere.
#[test]
fn a_hundred_thousand_random_packets_are_survived() {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let heads = [
        "m4000",
        "M4000",
        "X4000",
        "x",
        "g",
        "G",
        "p",
        "P1=",
        "Z0,4000",
        "z1,",
        "Z2,40001000,",
        "vCont;",
        "H",
        "qXfer:features:read:target.xml:",
        "qRcmd,",
        "qSupported:",
        "T",
        "D",
        "!",
        "c",
        "s",
        "?",
        "vAttach;1",
        "qThreadStopInfo",
        "qMemoryRegionInfo:",
        "QEnableErrorStrings",
        "qfThreadInfo",
        "qsThreadInfo",
    ];
    let mut buffer = [0; 2048];
    let mut client = Client::new(2, &mut buffer);
    client.ask("!");
    for _ in 0..100_000 {
        let mut payload = heads[next() as usize % heads.len()].as_bytes().to_vec();
        let digits = b"0123456789abcdef,;:X=$#}\x03";
        payload.extend((0..next() % 24).map(|_| match next() % 8 {
            0 => next() as u8,
            _ => digits[next() as usize % digits.len()],
        }));
        let mut bytes = packet(&payload);
        if next() % 16 == 0 {
            bytes.truncate(next() as usize % bytes.len());
        }
        client.receive(&bytes);
        client.sent.take();
    }
    // Whatever state that left it in, the client can have its target back.
    client.receive(b"#00\x03");
    client.sent.take();
    client.ask("vAttach;1");
    assert_eq!(client.ask("D"), "OK");
    assert!(client.debugger.software_breakpoints().is_empty());
    assert_eq!(client.debugger.watchpoints().used(), 0);
}
