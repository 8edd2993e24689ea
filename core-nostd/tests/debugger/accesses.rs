//! Hits of watchpoints, told by what the trapped instruction accesses.

use crate::recorder::{Did, RAM, step, watchpoint};
use crate::scene::{Engine, engine, event, insert, watch};
use trapline_core::debugger::{Options, Outcome};
use trapline_core::pool::Owner;
use trapline_core::stop::StopReason;
use trapline_core::target::{CoreId, Register, SystemRegister};
use trapline_core::watchpoint::Access;

/// A core at `pc` whose hit is recorded at `far`; where the engine stops, and what it says was touched.
fn hit(engine: &mut Engine, pc: u64, far: u64) -> Option<(u64, u64)> {
    match event(engine, 0, pc, watchpoint(far, true)) {
        Outcome::Resumed => None,
        Outcome::Stopped => match engine.stop().unwrap().reason {
            StopReason::Watchpoint { watchpoint, address, .. } => Some((watchpoint.range().first(), address)),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[test]
#[cfg_attr(not(feature = "exact-accesses"), ignore = "takes the feature exact-accesses")]
fn the_first_watched_byte_is_told_whatever_address_is_recorded() {
    let store = RAM + 0x10;
    let accessed = RAM + 0x1020;
    // Anything from the lowest byte that was accessed to the highest watched one, and elsewhere in its block.
    for far in [accessed, accessed + 5, accessed + 9, accessed + 12, RAM + 0x1000] {
        let mut engine = engine(1);
        engine.target_mut().set_word(store, 0xad01_0420); // stp q0, q1, [x1, #32]
        engine.target_mut().set(0, Register::X(1), RAM + 0x1000);
        insert(&mut engine, watch(accessed + 5, 8, Access::Write));
        engine.resume().unwrap();
        assert_eq!(hit(&mut engine, store, far), Some((accessed + 5, accessed + 5)), "{far:#x}");
    }
    // A range that begins before the access is touched at the access's first byte.
    let mut engine = engine(1);
    engine.target_mut().set_word(store, 0xad01_0420);
    engine.target_mut().set(0, Register::X(1), RAM + 0x1000);
    insert(&mut engine, watch(accessed - 8, 24, Access::Write));
    engine.resume().unwrap();
    assert_eq!(hit(&mut engine, store, accessed + 15), Some((accessed - 8, accessed)));
}

#[test]
#[cfg_attr(not(feature = "exact-accesses"), ignore = "takes the feature exact-accesses")]
fn an_access_that_touches_nothing_watched_is_passed_in_silence() {
    let mut engine = engine(1);
    let store = RAM + 0x10;
    engine.target_mut().set_word(store, 0xb800_3020); // stur w0, [x1, #3]
    engine.target_mut().set(0, Register::X(1), RAM + 0x1010);
    insert(&mut engine, watch(RAM + 0x1000, 8, Access::Write));
    engine.resume().unwrap();
    engine.target_mut().take();
    assert_eq!(hit(&mut engine, store, RAM + 0x1000), None);
    let did = engine.target_mut().take();
    assert!(did.contains(&Did::Commit(0, 0, 0)) && did.ends_with(&[Did::Step(0)]), "{did:?}");
    assert_eq!(event(&mut engine, 0, store + 4, step()), Outcome::Resumed);
    assert!(engine.target_mut().take().ends_with(&[Did::Commit(0, 0, 1), Did::Run(0)]));
}

#[test]
#[cfg_attr(not(feature = "exact-accesses"), ignore = "takes the feature exact-accesses")]
fn what_hits_the_guests_own_comparator_beside_ours_is_the_guests() {
    let mut engine = engine(1);
    let store = RAM + 0x10;
    engine.target_mut().set_word(store, 0xb900_0020); // str w0, [x1]
    engine.target_mut().set(0, Register::X(1), RAM + 0x1010);
    // MDE and KDE, with PSTATE.D clear: the guest takes its own.
    engine.target_mut().set(0, Register::System(SystemRegister::MDSCR_EL1), 1 << 15 | 1 << 13);
    insert(&mut engine, watch(RAM + 0x1018, 8, Access::Write));
    engine.resume().unwrap();
    assert_eq!(hit(&mut engine, store, RAM + 0x1010), None);
    assert_eq!(engine.target_mut().get(0, Register::Pc), RAM + 0x8200, "at its vector");
    assert_eq!(engine.target_mut().get(0, Register::System(SystemRegister::FAR_EL1)), RAM + 0x1010);
}

#[test]
#[cfg_attr(not(feature = "exact-accesses"), ignore = "takes the feature exact-accesses")]
fn every_watchpoint_that_one_access_touches_counts_and_an_atomic_is_both_read_and_write() {
    let mut engine = engine(1);
    let store = RAM + 0x10;
    engine.target_mut().set_word(store, 0xf820_0041); // ldadd x0, x1, [x2]
    engine.target_mut().set(0, Register::X(2), RAM + 0x1000);
    let count = |condition: &mut Engine| condition.hits().iter().map(|hit| hit.request).collect::<Vec<_>>();
    let (read, write) = (watch(RAM + 0x1000, 2, Access::Read), watch(RAM + 0x1004, 2, Access::Write));
    insert(&mut engine, read);
    insert(&mut engine, write);
    insert(&mut engine, watch(RAM + 0x1008, 2, Access::Write));
    engine.resume().unwrap();
    // The syndrome says "read".
    assert_eq!(event(&mut engine, 0, store, watchpoint(RAM + 0x1000, false)), Outcome::Stopped);
    assert_eq!(count(&mut engine), [read, write]);
    // One step passes both.
    engine.target_mut().take();
    engine.resume().unwrap();
    assert!(engine.target_mut().take().contains(&Did::Commit(0, 0, 0b100)));

    // Where only the second one stops, its own byte is told.
    engine.interrupt().unwrap();
    engine.remove(read, Owner::DEBUGGER).unwrap();
    let ignored = Options { ignore: 1, ..Options::default() };
    engine.insert_with(CoreId(0), read, Owner::DEBUGGER, &ignored).unwrap();
    engine.resume().unwrap();
    assert_eq!(hit(&mut engine, store, RAM + 0x1000), Some((RAM + 0x1004, RAM + 0x1004)));
}
