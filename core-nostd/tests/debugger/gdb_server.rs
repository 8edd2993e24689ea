//! The gdb server as a client sees it on the wire, over a target that records what is done to it.

use crate::gdb_client::Client;
use crate::recorder::{Did, RAM, Recorder, YIELD, breakpoint, step, watchpoint};
use trapline_core::address::PhysicalAddress;
use trapline_core::gdb::{Closed, Status};
use trapline_core::target::{
    CoreId, Event, MProfile, MVersion, Profile, Register, SpecialRegister, SystemRegister, TrappedWrite,
    WriteData,
};

#[test]
fn the_target_describes_itself() {
    let mut buffer = [0; 2048];
    let mut client = Client::new(1, &mut buffer);
    let features = client.ask("qSupported:swbreak+;hwbreak+;xmlRegisters=i386");
    for feature in ["PacketSize=", "swbreak+", "hwbreak+", "qXfer:features:read+", "QStartNoAckMode+"] {
        assert!(features.contains(feature), "{features}");
    }
    let xml = client.ask("qXfer:features:read:target.xml:0,200");
    assert!(xml.starts_with("m<?xml") && xml.contains("org.gnu.gdb.aarch64.core"), "{xml}");
    assert_eq!(client.ask("qXfer:features:read:other.xml:0,200"), "E16");
    assert_eq!(client.ask("qXfer:features:read:target.xml:100000,200"), "l");
}

/// The whole target description.
fn description(client: &mut Client<'_>) -> String {
    let mut whole = String::new();
    loop {
        let part = client.ask(&format!("qXfer:features:read:target.xml:{:x},3e0", whole.len()));
        whole.push_str(&part[1..]);
        if part.starts_with('l') {
            return whole;
        }
    }
}

#[test]
#[cfg_attr(not(feature = "m-profile"), ignore = "takes the feature m-profile")]
fn a_core_of_the_m_profile_has_its_own_registers() {
    let mut target = Recorder::new(1);
    let profile = MProfile { version: MVersion::V8Mainline, floating_point: true, security: true };
    target.profile = Profile::M(profile);
    target.set(0, Register::X(13), 0x2000_1000);
    for (value, register) in SpecialRegister::ALL.into_iter().enumerate() {
        target.set(0, Register::Special(register), 0x0100_0000 + value as u64);
    }
    let mut buffer = [0; 2048];
    let mut client = Client::of(target, &mut buffer);
    let whole = description(&mut client);
    assert!(whole.contains("<architecture>arm</architecture>"), "{whole}");
    for feature in ["m-profile", "vfp", "m-system", "secext"] {
        assert!(whole.contains(&format!("\"org.gnu.gdb.arm.{feature}\"")), "{feature}: {whole}");
    }
    // R0 to R15 and XPSR.
    assert_eq!(client.ask("g").len(), 2 * 17 * 4);
    assert_eq!(client.ask("pd"), "00100020");
    // Every register that is described can be read, and its number is the one behind it.
    let mut number = 0;
    for register in whole.split("<reg ").skip(1) {
        let attribute =
            |name: &str| Some(register.split_once(&format!(" {name}=\""))?.1.split_once('"').unwrap().0);
        number = attribute("regnum").map_or(number, |given| given.parse().unwrap());
        let bits: usize = attribute("bitsize").unwrap().parse().unwrap();
        let value = client.ask(&format!("p{number:x}"));
        assert_eq!(value.len(), bits / 4, "{register}");
        if let Some(special) = SpecialRegister::ALL
            .iter()
            .position(|special| register.starts_with(&format!("name=\"{special}\"")))
        {
            assert_eq!(value, format!("{special:02x}000001"), "{register}");
            assert_eq!(client.ask(&format!("P{number:x}=78563412")), "OK", "{register}");
            assert_eq!(client.ask(&format!("p{number:x}")), "78563412", "{register}");
        }
        number += 1;
    }
    assert_eq!(client.ask("Z1,8000,2"), "OK");
    assert!(client.ask("Z1,8004,4").starts_with('E'), "there is no A32");
}

#[test]
fn registers_come_short_in_g_and_one_by_one_in_p() {
    let mut buffer = [0; 2048];
    let mut client = Client::new(1, &mut buffer);
    client.debugger.target_mut().set(0, Register::X(1), 0x1122_3344_5566_7788);
    let all = client.ask("g");
    assert_eq!(all.len(), 2 * (33 * 8 + 4));
    assert_eq!(&all[16..32], "8877665544332211");
    assert_eq!(client.ask("p20"), "0000004000000000");
    assert_eq!(client.ask("p21"), "05000000");
    assert_eq!(client.ask("p24"), "00000000000000000200000000000000");
    assert_eq!(client.ask("P1=0102030405060708"), "OK");
    assert_eq!(client.debugger.target_mut().get(0, Register::X(1)), 0x0807_0605_0403_0201);
    assert_eq!(client.ask(&format!("G{all}")), "OK");
    assert_eq!(client.debugger.target_mut().get(0, Register::X(1)), 0x1122_3344_5566_7788);
}

#[test]
fn system_registers_have_their_encodings_for_numbers() {
    let mut buffer = [0; 2048];
    let mut client = Client::new(1, &mut buffer);
    let tcr = Register::System(SystemRegister::TCR_EL1);
    client.debugger.target_mut().set(0, tcr, 0x35);
    let number = SystemRegister::TCR_EL1.encoding();
    assert_eq!(client.ask(&format!("p{number:x}")), "3500000000000000");
    assert_eq!(client.ask(&format!("P{number:x}=1900000000000000")), "OK");
    assert_eq!(client.debugger.target_mut().get(0, tcr), 0x19);
    assert_eq!(client.ask("p7fff"), "E16");
}

#[test]
fn memory_reads_end_where_memory_ends() {
    let mut buffer = [0; 2048];
    let mut client = Client::new(1, &mut buffer);
    assert_eq!(client.ask("m40000000,8"), "3f2003d53f2003d5");
    assert_eq!(client.ask("m4000fffc,8"), "3f2003d5");
    assert_eq!(client.ask("m40010000,8"), "E0e");
    assert_eq!(client.ask("M40000000,4:01020304"), "OK");
    assert_eq!(client.debugger.target_mut().word(RAM), 0x0403_0201);
    assert_eq!(client.ask("M4000fffe,4:01020304"), "E0e");
    assert_eq!(client.debugger.target_mut().word(RAM + 0xfffc), YIELD);
}

#[test]
fn a_breakpoint_stops_with_its_reason_and_the_registers_of_every_stop() {
    let mut buffer = [0; 2048];
    let mut client = Client::new(2, &mut buffer);
    client.ask("qSupported:swbreak+;hwbreak+");
    assert_eq!(client.ask("Z1,40000010,4"), "OK");
    assert_eq!(client.ask("Z1,40000010,4"), "OK");
    assert_eq!(client.ask("vCont;c"), "");
    assert_eq!(client.server.status(), Status::Running);
    let stop = client.halts(1, RAM + 0x10, breakpoint());
    assert!(stop.starts_with("T05thread:") && stop.contains(";hwbreak:;"), "{stop}");
    assert!(stop.contains("20:1000004000000000;"), "{stop}");
    assert!(stop.contains("1f:0000000000000000;"), "{stop}");
    assert_eq!(client.ask("z1,40000010,4"), "OK");
    assert_eq!(client.ask("z1,40000010,4"), "OK");
}

#[test]
fn a_watchpoint_stop_names_an_address_inside_the_request() {
    let mut buffer = [0; 2048];
    let mut client = Client::new(1, &mut buffer);
    assert_eq!(client.ask("Z2,40001006,4"), "OK");
    client.ask("vCont;c");
    let stop = client.halts(0, RAM + 0x40, watchpoint(RAM + 0x1000, true));
    assert!(stop.contains(";watch:40001006;"), "{stop}");
    assert_eq!(client.ask("z2,40001006,4"), "OK");
    assert_eq!(client.ask("Z4,40001000,1"), "OK");
    client.ask("vCont;c");
    let stop = client.halts(0, RAM + 0x44, watchpoint(RAM + 0x1000, false));
    assert!(stop.contains(";awatch:40001000;"), "{stop}");
    assert!(!stop.contains("description"), "{stop}");
}

#[test]
fn lldb_is_told_where_the_watchpoint_begins_that_was_hit_in_its_middle() {
    let mut buffer = [0; 2048];
    let mut client = Client::new(1, &mut buffer);
    assert_eq!(client.ask("QListThreadsInStopReply"), "OK");
    assert_eq!(client.ask("Z2,40001000,10"), "OK");
    client.ask("vCont;c");
    let stop = client.halts(0, RAM + 0x40, watchpoint(RAM + 0x1008, true));
    assert!(stop.contains(";watch:40001008;"), "{stop}");
    // 1073745920, in the letters that it is written with.
    let begin: String = 0x4000_1000.to_string().bytes().map(|digit| format!("{digit:x}")).collect();
    assert!(stop.contains(&format!(";reason:watchpoint;description:{begin};")), "{stop}");
}

#[test]
fn a_client_without_the_description_gets_registers_that_it_has_room_for() {
    let mut buffer = [0; 2048];
    let mut client = Client::new(1, &mut buffer);
    assert_eq!(client.ask("g").len(), 2 * (33 * 8 + 4));
    assert_eq!(client.ask("p22").len(), 2 * 16);
    assert!(client.ask("p44").starts_with('E'));
}

#[test]
fn what_cannot_be_honoured_is_refused() {
    let mut buffer = [0; 2048];
    let mut client = Client::new(1, &mut buffer);
    for refused in ["Z2,40001000,0", "Z2,ffffffffffffffff,2", "Z1,40000002,4", "Z0,50000000,4"] {
        let answer = client.ask(refused);
        assert!(answer.starts_with("E.refused."), "{refused}: {answer}");
    }
    client.monitor("set pages off");
    for watch in 0..4 {
        assert_eq!(client.ask(&format!("Z2,4000{watch}000,8")), "OK");
    }
    let free = "E.refused.this takes 1 pairs and 0 are free; remove others first";
    assert_eq!(client.ask("Z2,40004000,8"), free);
    assert_eq!(client.ask("z2,40001000,4"), "OK");
    assert_eq!(client.ask("Z2,40004000,8"), free);
    assert_eq!(client.monitor("why"), "this takes 1 pairs and 0 are free; remove others first\n");
    assert_eq!(client.ask("z2,40001000,8"), "OK");
    assert_eq!(client.ask("Z2,40004000,8"), "OK");
}

#[test]
#[cfg_attr(not(feature = "aarch32"), ignore = "takes the feature aarch32")]
fn a_software_breakpoint_for_another_instruction_set_is_none_that_is_there_already() {
    let mut buffer = [0; 2048];
    let mut client = Client::new(1, &mut buffer);
    assert_eq!(client.ask("Z0,40000010,2"), "OK");
    assert_eq!(client.ask("Z0,40000010,2"), "OK");
    let refused = client.ask("Z0,40000010,4");
    assert!(refused.contains("overlaps"), "{refused}");
    assert_eq!(client.ask("z0,40000010,2"), "OK");
    assert_eq!(client.ask("Z0,40000010,4"), "OK");
}

#[test]
fn pages_serve_the_watchpoints_that_comparators_cannot_and_the_client_is_told() {
    let mut buffer = [0; 2048];
    let mut client = Client::new(1, &mut buffer);
    for watch in 0..4 {
        assert_eq!(client.ask(&format!("Z2,4000{watch}000,8")), "OK");
    }
    // Any number for writes; no page traps what is read.
    assert_eq!(client.ask("Z2,40004003,5"), "OK");
    assert_eq!(client.ask("Z2,40005000,1000"), "OK");
    let only_writes =
        "the comparators do not suffice, and pages cannot watch for read or write, only for write";
    assert_eq!(client.ask("Z4,40006000,8"), format!("E.refused.{only_writes}"));
    assert!(client.monitor("slots").contains("  by pages: "), "the list has them");

    // The text comes as soon as the client waits.
    client.send("vCont;c");
    let said = client.console();
    assert_eq!(said.lines().count(), 2, "{said}");
    assert!(said.starts_with("0x40004003..=0x40004007 is watched by pages"), "{said}");
    assert!(client.debugger.target_mut().take().contains(&Did::Protect(2)));

    let data = Some(WriteData { value: 7, length: 4 });
    let write = TrappedWrite { address: PhysicalAddress(RAM + 0x4000), data };
    let stop = client.halts(0, RAM + 0x10, Event::TrappedWrite(write));
    assert!(stop.contains(";watch:40004003;"), "{stop}");

    // gdb removes all at every stop and inserts them again: the client is told of nothing twice.
    for request in ["z2,40004003,5", "z2,40005000,1000", "Z2,40004003,5", "Z2,40005000,1000"] {
        assert_eq!(client.ask(request), "OK");
    }
    client.send("vCont;c");
    assert_eq!(client.console(), "");
    assert_eq!(client.server.status(), Status::Running);
}

#[test]
fn a_step_of_one_thread_holds_the_others() {
    let mut buffer = [0; 2048];
    let mut client = Client::new(2, &mut buffer);
    client.ask("vCont;s:p1.2");
    let did = client.debugger.target_mut().take();
    assert!(did.contains(&Did::Step(1)) && !did.iter().any(|did| matches!(did, Did::Run(_))), "{did:?}");
    let stop = client.halts(1, RAM + 4, step());
    assert!(stop.starts_with("T05thread:"), "{stop}");
}

#[test]
#[cfg_attr(not(feature = "search"), ignore = "takes the feature search")]
fn memory_is_searched_and_compared_without_sending_it() {
    let mut buffer = [0; 2048];
    let mut client = Client::new(1, &mut buffer);
    // RAM is full of YIELDs: 3f 20 03 d5.
    client.debugger.target_mut().set_word(RAM + 0x7ffc, 0x1122_3344);
    let at = RAM + 0x7ffc;
    assert_eq!(client.ask("qSearch:memory:40000000;10000;\x44\x33"), format!("1,{at:x}"));
    // Across what is read at once, whatever that is, and at the very end.
    assert_eq!(client.ask("qSearch:memory:40000000;10000;\x11\x3f"), format!("1,{:x}", at + 3));
    for word in (RAM + 0x100..RAM + 0x1000).step_by(4) {
        client.debugger.target_mut().set_word(word, 0x5453_5251);
        assert_eq!(client.ask("qSearch:memory:40000002;fffe;QRST"), format!("1,{word:x}"));
        client.debugger.target_mut().set_word(word, YIELD);
    }
    assert_eq!(client.ask("qSearch:memory:4000fff8;8; \x03"), "1,4000fff9");
    assert_eq!(client.ask("qSearch:memory:40000000;10000;QQ"), "0");
    assert_eq!(client.ask("qSearch:memory:40000000;1;QQ"), "0");
    assert!(client.ask("qSearch:memory:4000fff0;20;QQ").starts_with('E'), "it ends in the middle");
    assert!(client.ask("qSearch:memory:40000000;10000;").starts_with('E'));
    assert_eq!(client.ask("qSearch:registers:0;1;Q"), "");

    // By the definition of it, over 0x2000 bytes and over none.
    let mut crc = u32::MAX;
    for byte in YIELD.to_le_bytes().repeat(0x800) {
        crc ^= u32::from(byte) << 24;
        for _ in 0..8 {
            crc = crc << 1 ^ if crc >> 31 != 0 { 0x04c1_1db7 } else { 0 };
        }
    }
    assert_eq!(client.ask("qCRC:40000000,2000"), format!("C{crc:x}"));
    assert_eq!(client.ask("qCRC:40000000,0"), "Cffffffff");
    assert!(client.ask("qCRC:4000f000,2000").starts_with('E'));
    assert!(client.ask("qCRC:40000000,ffffffffffffffff").starts_with('E'));
}

#[test]
fn an_interrupt_stops_a_running_target_and_is_nothing_to_a_halted_one() {
    let mut buffer = [0; 2048];
    let mut client = Client::new(1, &mut buffer);
    client.server.receive(&mut client.debugger, &[3]).unwrap();
    assert_eq!(client.answer(), "");
    client.ask("vCont;c");
    client.server.receive(&mut client.debugger, &[3]).unwrap();
    let stop = client.answer();
    assert!(stop.starts_with("T02thread:"), "{stop}");
    assert_eq!(client.server.status(), Status::Halted);
}

#[test]
fn monitor_lists_what_is_reserved() {
    let mut buffer = [0; 2048];
    let mut client = Client::new(1, &mut buffer);
    client.ask("Z2,40001006,4");
    let text = client.monitor("slots");
    assert!(text.contains("watchpoint comparators: 2 used of 4\n"), "{text}");
}

#[test]
fn detaching_disarms_and_killing_ends() {
    let mut buffer = [0; 2048];
    let mut client = Client::new(1, &mut buffer);
    client.ask("Z0,40000020,4");
    client.ask("Z1,40000010,4");
    client.ask("vCont;c");
    client.halts(0, RAM + 0x10, breakpoint());
    assert_eq!(client.ask("D"), "OK");
    assert_eq!(client.server.status(), Status::Closed(Closed::Detached));
    assert_eq!(client.debugger.target_mut().word(RAM + 0x20), YIELD);
    assert!(client.debugger.target_mut().take().ends_with(&[Did::Commit(0, 0, 0), Did::Run(0)]));

    let mut buffer = [0; 2048];
    let mut client = Client::new(1, &mut buffer);
    client.ask("k");
    assert_eq!(client.server.status(), Status::Closed(Closed::Killed));
}

#[test]
fn a_session_outlives_a_detach_if_the_client_says_so() {
    let mut buffer = [0; 2048];
    let mut client = Client::new(2, &mut buffer);
    assert_eq!(client.ask("!"), "OK");
    assert_eq!(client.ask("Z1,40000010,4"), "OK");
    assert_eq!(client.ask("D;1"), "OK");
    assert_eq!(client.server.status(), Status::Detached);
    assert!(client.debugger.stop().is_none() && client.debugger.breakpoints().used() == 0);
    assert_eq!(client.ask("qfThreadInfo"), "l");
    assert_eq!(client.ask("g"), "E16");
    assert_eq!(client.ask("?"), "W00");
    assert!(client.ask("vAttach;1").starts_with("T02"));
    assert_eq!(client.server.status(), Status::Halted);
    assert_eq!(client.ask("qfThreadInfo"), "m1,2");
    assert_eq!(client.ask("qsThreadInfo"), "l");
}

#[test]
fn each_thread_does_what_is_said_for_it_first() {
    let mut buffer = [0; 2048];
    let mut client = Client::new(4, &mut buffer);
    client.debugger.target_mut().take();
    client.ask("vCont;s:2;t:3;c");
    let did = client.debugger.target_mut().take();
    let moved: Vec<_> = did.into_iter().filter(|did| matches!(did, Did::Run(_) | Did::Step(_))).collect();
    assert_eq!(moved, [Did::Run(0), Did::Step(1), Did::Run(3)]);
    assert_eq!(client.ask("g"), "E16");
    client.server.receive(&mut client.debugger, &[3]).unwrap();
    assert!(client.answer().starts_with("T02"));
}

#[test]
fn a_client_is_told_no_reason_that_it_has_not_said_to_know() {
    let mut buffer = [0; 2048];
    let mut client = Client::new(1, &mut buffer);
    assert_eq!(client.ask("Z1,40000010,4"), "OK");
    client.ask("vCont;c");
    assert!(!client.halts(0, RAM + 0x10, breakpoint()).contains("break"));
    client.ask("qSupported:swbreak+");
    assert!(!client.ask("?").contains("break"));
    client.ask("qSupported:hwbreak+");
    assert!(client.ask("?").contains(";hwbreak:;"));
}

#[test]
fn conditions_are_checked_at_insertion_and_evaluated_at_the_hit() {
    let mut buffer = [0; 2048];
    let mut client = Client::new(1, &mut buffer);
    client.ask("qSupported:hwbreak+");
    // X1 == 7: reg 1, const8 7, equal, end.
    assert_eq!(client.ask("Z1,40000010,4;X7,26000122071327"), "OK");
    client.ask("vCont;c");
    assert_eq!(client.halts(0, RAM + 0x10, breakpoint()), "");
    client.debugger.target_mut().halts(0, RAM + 0x14);
    client.debugger.on_event(CoreId(0), step()).unwrap();
    client.debugger.target_mut().set(0, Register::X(1), 7);
    assert!(client.halts(0, RAM + 0x10, breakpoint()).contains(";hwbreak:;"));
    // A floating-point operation is not supported.
    let refused = client.ask("Z1,40000020,4;X2,0127");
    assert!(refused.starts_with("E.refused.expression 0: operation 0x01"), "{refused}");
    // Commands print, and there is nobody to print to.
    let refused = client.ask("Z1,40000020,4;cmds:1,Xa,2200220034000003410027");
    assert!(refused.starts_with("E"), "{refused}");
}

#[test]
fn refusals_are_told_in_the_words_that_the_client_takes() {
    let mut buffer = [0; 2048];
    let mut client = Client::new(1, &mut buffer);
    let text = "no A64 instruction begins at 0x40000002; give a multiple of 4";
    assert_eq!(client.ask("Z1,40000002,4"), format!("E.refused.{text}"));
    assert!(client.ask("qSupported:error-message+").contains(";error-message+"));
    assert_eq!(client.ask("Z1,40000002,4"), format!("E.{text}"));
    assert_eq!(client.ask("p999"), "E.there is no register number 2457");
    assert_eq!(client.ask("QEnableErrorStrings"), "OK");
    let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(client.ask("Z1,40000002,4"), format!("E16;{hex}"));
}

#[test]
fn memory_can_be_read_as_it_is() {
    let mut buffer = [0; 2048];
    let mut client = Client::new(1, &mut buffer);
    client.debugger.target_mut().set_word(RAM, u32::from_le_bytes(*b"a*b}"));
    // lldb asks so, and gdb says in qSupported that it knows the packet.
    assert_eq!(client.ask("x0,0"), "OK");
    assert_eq!(client.ask_raw(b"x40000000,4"), b"a}\nb}]");
    client.ask("qSupported:binary-upload+");
    assert_eq!(client.ask_raw(b"x40000000,1"), b"ba");
    assert_eq!(client.ask_raw(b"X40000000,2:}\x03}]"), b"OK");
    assert_eq!(client.debugger.target_mut().word(RAM).to_le_bytes()[..2], *b"#}");
}

#[test]
fn lldb_hears_what_it_asks() {
    let mut buffer = [0; 2048];
    let mut client = Client::new(2, &mut buffer);
    for (question, parts) in [
        ("qHostInfo", &["triple:", "ptrsize:8;", "watchpoint_exceptions_received:before;"][..]),
        ("qProcessInfo", &["pid:1;"]),
        ("qWatchpointSupportInfo:", &["num:4;"]),
        ("qGDBServerVersion", &["name:trapline;"]),
        ("qMemoryRegionInfo:40001234", &["start:", "permissions:rwx;"]),
        ("QThreadSuffixSupported", &["OK"]),
        ("QListThreadsInStopReply", &["OK"]),
        ("?", &["threads:1,2;", "reason:signal;"]),
        ("qThreadStopInfo2", &["T00thread:2;", "reason:none;"]),
        ("p1;thread:2;", &["0000000000000000"]),
        ("qEcho:5", &["qEcho:5"]),
        ("qSupported", &["SupportedWatchpointTypes=aarch64-mask,aarch64-bas"]),
        ("qXfer:threads:read::0,400", &["<thread id=\"2\" core=\"1\""]),
    ] {
        let answer = client.ask(question);
        assert!(parts.iter().all(|part| answer.contains(part)), "{question}: {answer}");
    }
}
