//! A KVM guest with the program.

use std::io;
use std::path::Path;
use std::sync::Arc;

use trapline_kvm::machine::{Machine, MachineConfig};
use trapline_probe::session::{Guest, News, Session, SessionDebugger};

use crate::calls::{Outcome, PROGRAM, START, use_again, use_once};

/// What comes of everything on a guest.
pub(crate) fn on_a_guest() -> Vec<Outcome> {
    let kvm = trapline_kvm::open(Path::new("/dev/kvm")).unwrap();
    let config = MachineConfig { cpus: 2, memory: 2 << 20, ..MachineConfig::default() };
    let mut machine = Machine::new(&kvm, &config, Box::new(io::sink())).unwrap();
    let program: Vec<u8> = PROGRAM.iter().flat_map(|word| word.to_le_bytes()).collect();
    machine.load_flat(START, &program).unwrap();
    let news = Arc::new(News::default());
    let engine = |target| Ok::<_, trapline_kvm::Error>(SessionDebugger::new(target).unwrap());
    let machine = machine.start(engine, &news.observer()).unwrap();

    let mut session = Session::new(Guest::new(machine.handler(), news));
    let mut outcomes = use_once(&mut session);
    let mut session = Session::new(session.detach().unwrap());
    outcomes.extend(use_again(&mut session));
    outcomes
}
