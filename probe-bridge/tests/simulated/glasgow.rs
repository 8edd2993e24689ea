//! Boards behind probe-rs's own driver for a Glasgow Interface Explorer, which leaves what comes behind an unexpected
//! error unread, and panics over it later.

use std::net::{Ipv4Addr, TcpListener};
use std::thread;

use probe_rs::probe::list::Lister;
use trapline_core::address::PhysicalAddress;
use trapline_core::target::{CoreId, Refusal, Register, TargetError};
use trapline_probe::board::{AttachOptions, Board, BoardTarget, attach};
use trapline_simulator::armv8a::Armv8aBoard;
use trapline_simulator::cortex_m::{Architecture, CortexMBoard};
use trapline_simulator::dap::{DebugPort, Fault, System};
use trapline_simulator::server::glasgow;

use crate::armv8a::{COUNT, COUNTER};
use crate::probe::registry;

const CORE: CoreId = CoreId(0);

/// Attaches to a board that suffers from a fault.
fn attached(system: impl System + 'static, chip: &str, fault: Fault) -> Board {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let probe = format!("20b7:9db1:tcp:{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        let mut port = DebugPort::new(Box::new(system));
        port.suffer(fault);
        // It ends with the client.
        let _ = glasgow::serve(listener.accept().unwrap().0, &mut port, Vec::new());
    });
    let probe = Lister::new().open(probe.parse::<probe_rs::probe::DebugProbeSelector>().unwrap()).unwrap();
    attach(probe, &registry(), &AttachOptions { chip: chip.to_owned(), ..AttachOptions::default() }).unwrap()
}

/// A write that the bus refuses is told as that, and nothing else suffers from it.
fn check<T: BoardTarget>(target: &mut T, ram: u64, nowhere: u64) {
    target.halt(CORE).unwrap();
    let pc = target.read_register(CORE, Register::Pc).unwrap();
    let mut before = [0; 64];
    target.read_memory(PhysicalAddress(ram), &mut before).unwrap();
    for length in [1, 2, 4, 8, 33, 64] {
        let written = target.write_memory(PhysicalAddress(ram), &vec![0x55; length]);
        assert!(matches!(written, Err(TargetError::Refused(Refusal::NoMemory(_)))), "{length}: {written:?}");
        let read = target.read_memory(PhysicalAddress(nowhere), &mut vec![0; length]);
        assert!(matches!(read, Err(TargetError::Refused(Refusal::NoMemory(_)))), "{length}: {read:?}");
        target.write_register(CORE, Register::X(3), length as u64).unwrap();
        assert_eq!(target.read_register(CORE, Register::X(3)).unwrap(), length as u64);
    }
    let mut after = [0; 64];
    target.read_memory(PhysicalAddress(ram), &mut after).unwrap();
    assert_eq!(after, before);
    assert_eq!(target.read_register(CORE, Register::Pc).unwrap(), pc);
    target.detach().unwrap();
}

#[test]
fn a_write_that_the_bus_of_an_armv8_a_board_refuses_is_told_at_once() {
    let board = Armv8aBoard::with_program(&COUNT).unwrap();
    match attached(board, "simulated-armv8a", Fault::WriteProtected(true)) {
        Board::Armv8a(mut target) => check(&mut target, COUNTER + 0x100, 0),
        Board::CortexM(_) => panic!("the chip is one of Armv8-A"),
    }
}

#[test]
fn a_write_that_the_bus_of_a_cortex_m_board_refuses_is_told_at_once() {
    let board = CortexMBoard::new(Architecture::V8M).unwrap();
    match attached(board, "simulated-cortex-m", Fault::WriteProtected(true)) {
        Board::CortexM(mut target) => check(&mut target, 0x2000_0100, 0x3000_0000),
        Board::Armv8a(_) => panic!("the chip is one with a Cortex-M core"),
    }
}
