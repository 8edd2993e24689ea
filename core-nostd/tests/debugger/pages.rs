//! Watching by pages where the comparators do not suffice.

use crate::recorder::{Did, RAM, Recorder, step, watchpoint};
use trapline_core::address::{AddressRange, PhysicalAddress};
use trapline_core::debugger::{
    Action, Debugger, InsertError, MAX_PAGED, Options, Outcome, PagesError, Request, Then, ValueCondition,
};
use trapline_core::pool::Owner;
use trapline_core::scope::Scope;
use trapline_core::stop::StopReason;
use trapline_core::target::{CoreId, Event, Register, TrappedWrite, WriteData};
use trapline_core::watchpoint::{Access, Watchpoint};

type Engine = Debugger<Recorder, 4, 4, 64>;

const CORE: CoreId = CoreId(0);
const HERE: u64 = RAM + 0x10;
const WATCHED: u64 = RAM + 0x1ff8;
/// stp x0, x2, [x1]
const STORE_PAIR: u32 = 0xa900_0820;

fn watch(address: u64, length: u64, access: Access) -> Request {
    let range = AddressRange::new(address, length).unwrap();
    Request::Watchpoint(Watchpoint::new(range, access, Scope::EL1_AND_EL0))
}

fn pages<'a>() -> Options<'a> {
    Options { pages: true, ..Options::default() }
}

/// An engine with no comparator left.
fn engine(cores: u16) -> Engine {
    let mut engine = Debugger::new(Recorder::new(cores)).unwrap();
    for place in 0..4 {
        let request = watch(RAM + 0x8000 + 64 * place, 8, Access::ReadWrite);
        engine.insert(CORE, request, Owner::HOST).unwrap();
    }
    engine
}

/// The core is trapped at [`HERE`] with a store of `data`, or one that does not say what it stores.
fn trap(engine: &mut Engine, address: u64, data: Option<(u64, u8)>) -> Outcome {
    engine.target_mut().halts(0, HERE);
    let data = data.map(|(value, length)| WriteData { value, length });
    let write = TrappedWrite { address: PhysicalAddress(address), data };
    engine.on_event(CORE, Event::TrappedWrite(write)).unwrap()
}

fn did(engine: &mut Engine) -> Vec<Did> {
    engine.target_mut().take()
}

#[test]
fn pages_serve_only_who_allows_it_and_only_writes() {
    let mut engine = engine(1);
    let request = watch(WATCHED, 8, Access::Write);
    let plain = engine.insert(CORE, request, Owner::DEBUGGER);
    assert!(matches!(plain, Err(InsertError::Pool(_))), "{plain:?}");
    for access in [Access::Read, Access::ReadWrite] {
        let refused = engine.insert_with(CORE, watch(WATCHED, 8, access), Owner::DEBUGGER, &pages());
        assert_eq!(refused, Err(InsertError::Pages(PagesError::NotOnlyWrites(access))));
    }
    let long = engine.insert_with(CORE, watch(0, MAX_PAGED + 1, Access::Write), Owner::DEBUGGER, &pages());
    assert!(matches!(long, Err(InsertError::Pages(PagesError::TooLong { .. }))), "{long:?}");
    let hole = watch(RAM + 0xf000, 0x2000, Access::Write);
    let hole = engine.insert_with(CORE, hole, Owner::DEBUGGER, &pages());
    assert!(matches!(hole, Err(InsertError::Target(_))), "{hole:?}");
    assert_eq!(engine.paged_watchpoints().count(), 0);
    for place in 0..4 {
        let request = watch(WATCHED + 64 * place, 8, Access::Write);
        engine.insert_with(CORE, request, Owner::DEBUGGER, &pages()).unwrap();
        engine.insert_with(CORE, request, Owner::DEBUGGER, &pages()).unwrap();
    }
    let full = engine.insert_with(CORE, watch(RAM, 8, Access::Write), Owner::DEBUGGER, &pages());
    assert_eq!(full, Err(InsertError::Pages(PagesError::Full { capacity: 4 })));
    assert_eq!(engine.paged_watchpoints().count(), 4);
}

#[test]
fn pages_are_protected_at_the_resume_and_freed_by_detaching() {
    let mut engine = engine(1);
    engine.insert_with(CORE, watch(WATCHED, 0x1010, Access::Write), Owner::DEBUGGER, &pages()).unwrap();
    assert_eq!(did(&mut engine), []);
    engine.resume().unwrap();
    assert_eq!(did(&mut engine)[0], Did::Protect(3));
    engine.interrupt().unwrap();
    did(&mut engine);
    engine.detach(Owner::DEBUGGER).unwrap();
    assert!(did(&mut engine).contains(&Did::Protect(0)));
}

#[test]
fn a_client_that_removes_its_watch_for_a_step_frees_no_page() {
    let mut engine = engine(1);
    let request = watch(WATCHED, 8, Access::Write);
    engine.insert_with(CORE, request, Owner::DEBUGGER, &pages()).unwrap();
    engine.resume().unwrap();
    assert_eq!(trap(&mut engine, WATCHED, Some((1, 8))), Outcome::Stopped);
    did(&mut engine);
    engine.remove(request, Owner::DEBUGGER).unwrap();
    engine.set_action(CORE, Action::Step).unwrap();
    engine.resume().unwrap();
    // The page traps as before, and the store is carried out as the step.
    assert_eq!(trap(&mut engine, WATCHED, Some((1, 8))), Outcome::Stopped);
    let stop = engine.stop().unwrap();
    assert_eq!((stop.reason, stop.pc), (StopReason::Step, HERE + 4));
    assert!(!did(&mut engine).iter().any(|did| matches!(did, Did::Protect(_))));
    engine.clear_actions();
    engine.resume().unwrap();
    assert!(did(&mut engine).contains(&Did::Protect(0)));
}

#[test]
fn a_store_beside_what_is_watched_is_carried_out_and_the_core_runs_on() {
    let mut engine = engine(2);
    engine.insert_with(CORE, watch(WATCHED, 4, Access::Write), Owner::DEBUGGER, &pages()).unwrap();
    engine.resume().unwrap();
    did(&mut engine);
    assert_eq!(trap(&mut engine, WATCHED - 4, Some((0x1234_5678, 4))), Outcome::Resumed);
    assert_eq!(engine.target_mut().word(WATCHED - 4), 0x1234_5678);
    assert_eq!(engine.target_mut().get(0, Register::Pc), HERE + 4);
    assert_eq!(did(&mut engine).last(), Some(&Did::Run(0)));
    assert!(!did(&mut engine).contains(&Did::Halt(1)), "nobody waits");
}

#[test]
fn a_store_to_what_is_watched_stops_before_it_and_is_carried_out_when_the_core_runs_on() {
    let mut engine = engine(1);
    let old = engine.target_mut().word(WATCHED);
    engine.insert_with(CORE, watch(WATCHED, 4, Access::Write), Owner::DEBUGGER, &pages()).unwrap();
    engine.resume().unwrap();
    // Eight bytes, of which the last four are watched.
    assert_eq!(trap(&mut engine, WATCHED - 4, Some((7 << 32, 8))), Outcome::Stopped);
    let stop = engine.stop().unwrap();
    assert!(matches!(stop.reason, StopReason::Watchpoint { address: WATCHED, change: None, .. }), "{stop}");
    assert_eq!((stop.pc, engine.target_mut().word(WATCHED)), (HERE, old));
    engine.resume().unwrap();
    assert_eq!(did(&mut engine).last(), Some(&Did::Run(0)));
    assert_eq!(trap(&mut engine, WATCHED - 4, Some((7 << 32, 8))), Outcome::Resumed);
    assert_eq!(engine.target_mut().word(WATCHED), 7);
    // The next time it is a hit again.
    assert_eq!(trap(&mut engine, WATCHED - 4, Some((7 << 32, 8))), Outcome::Stopped);
}

#[test]
fn a_store_of_which_the_data_is_not_known_is_made_in_one_step_with_all_others_halted() {
    let mut engine = engine(2);
    engine.target_mut().set_word(HERE, STORE_PAIR);
    engine.insert_with(CORE, watch(WATCHED, 4, Access::Write), Owner::DEBUGGER, &pages()).unwrap();
    engine.resume().unwrap();
    did(&mut engine);
    // 16 bytes that end before the watched ones.
    engine.target_mut().set(0, Register::X(1), WATCHED - 16);
    assert_eq!(trap(&mut engine, WATCHED - 16, None), Outcome::Resumed);
    let page = WATCHED & !0xfff;
    let done = did(&mut engine);
    assert_eq!(done[..2], [Did::Halt(1), Did::Lift(page, true)]);
    assert_eq!(done.last(), Some(&Did::Step(0)));
    engine.target_mut().halts(0, HERE + 4);
    assert_eq!(engine.on_event(CORE, step()), Ok(Outcome::Resumed));
    let done = did(&mut engine);
    let lowered = done.iter().position(|did| *did == Did::Lift(page, false)).unwrap();
    let runs = done.iter().position(|did| *did == Did::Run(1)).unwrap();
    assert!(lowered < runs && done.contains(&Did::Run(0)), "{done:?}");

    // One byte further it reaches them.
    engine.target_mut().set(0, Register::X(1), WATCHED - 15);
    assert_eq!(trap(&mut engine, WATCHED - 15, None), Outcome::Stopped);
    assert!(matches!(engine.stop().unwrap().reason, StopReason::Watchpoint { address: WATCHED, .. }));
}

#[test]
fn what_a_comparator_watches_on_such_a_page_is_hit_as_well() {
    let mut engine = engine(1);
    // In the same page as the comparators' ranges.
    engine.insert_with(CORE, watch(RAM + 0x8800, 4, Access::Write), Owner::DEBUGGER, &pages()).unwrap();
    engine.resume().unwrap();
    did(&mut engine);
    let store = (RAM + 0x8040, Some((7, 8)));
    // The page traps first. The core itself makes the access, so that the comparator sees it.
    assert_eq!(trap(&mut engine, store.0, store.1), Outcome::Resumed);
    let done = did(&mut engine);
    assert_eq!((done[0], done.last()), (Did::Lift(RAM + 0x8000, true), Some(&Did::Step(0))));
    engine.target_mut().halts(0, HERE);
    assert_eq!(engine.on_event(CORE, watchpoint(store.0, true)), Ok(Outcome::Stopped));
    assert!(
        matches!(engine.stop().unwrap().reason, StopReason::Watchpoint { address, .. } if address == store.0)
    );
    did(&mut engine);
    // Both are passed then.
    engine.resume().unwrap();
    let done = did(&mut engine);
    assert!(done.contains(&Did::Commit(0, 0, 0b1100)), "{done:?}");
    assert_eq!(trap(&mut engine, store.0, store.1), Outcome::Resumed);
    let done = did(&mut engine);
    assert!(done.contains(&Did::Lift(RAM + 0x8000, true)) && done.ends_with(&[Did::Step(0)]), "{done:?}");
    assert!(!done.contains(&Did::Commit(0, 0, 0b1111)), "{done:?}");
    engine.target_mut().halts(0, HERE + 4);
    assert_eq!(engine.on_event(CORE, step()), Ok(Outcome::Resumed));
    // A store to other bytes of the page is carried out.
    assert_eq!(trap(&mut engine, RAM + 0x8048, Some((7, 8))), Outcome::Resumed);
    assert_eq!(engine.target_mut().word(RAM + 0x8048), 7);
}

#[test]
fn an_access_that_pages_and_a_comparator_watch_is_hit_by_both_and_then_passed() {
    let mut engine = engine(1);
    engine.insert_with(CORE, watch(RAM + 0x8038, 12, Access::Write), Owner::DEBUGGER, &pages()).unwrap();
    engine.resume().unwrap();
    let at = RAM + 0x8040;
    assert_eq!(trap(&mut engine, at, Some((7, 8))), Outcome::Stopped);
    engine.resume().unwrap();
    assert_eq!(trap(&mut engine, at, Some((7, 8))), Outcome::Resumed);
    engine.target_mut().halts(0, HERE);
    assert_eq!(engine.on_event(CORE, watchpoint(at, true)), Ok(Outcome::Stopped));
    engine.resume().unwrap();
    assert_eq!(trap(&mut engine, at, Some((7, 8))), Outcome::Resumed);
    engine.target_mut().halts(0, HERE + 4);
    assert_eq!(engine.on_event(CORE, step()), Ok(Outcome::Resumed));
    // The next time it is hit anew.
    assert_eq!(trap(&mut engine, at, Some((7, 8))), Outcome::Stopped);
}

#[test]
fn a_change_is_told_after_the_store_and_a_core_that_waits_goes_on() {
    let mut engine = engine(1);
    let options = Options { value: ValueCondition::Changed, then: Then::Wait, ..pages() };
    engine.insert_with(CORE, watch(WATCHED, 4, Access::Write), Owner::HOST, &options).unwrap();
    engine.target_mut().set_word(WATCHED, 3);
    engine.resume().unwrap();
    assert_eq!(trap(&mut engine, WATCHED, Some((3, 4))), Outcome::Resumed);
    match trap(&mut engine, WATCHED, Some((4, 4))) {
        Outcome::Waiting(stop) => match stop.reason {
            StopReason::Watchpoint { change: Some(change), .. } => {
                assert_eq!((change.old, change.new), (3, 4));
            }
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
    did(&mut engine);
    assert_eq!(engine.go_on(CORE), Ok(Outcome::Resumed));
    assert_eq!(did(&mut engine), [Did::Run(0)]);

    let before = Options { then: Then::Wait, ..pages() };
    engine.interrupt().unwrap();
    engine.insert_with(CORE, watch(WATCHED, 4, Access::Write), Owner::HOST, &before).unwrap();
    engine.resume().unwrap();
    assert!(matches!(trap(&mut engine, WATCHED, Some((5, 4))), Outcome::Waiting(_)));
    assert_eq!(engine.target_mut().word(WATCHED), 4);
    assert_eq!(engine.go_on(CORE), Ok(Outcome::Resumed));
    assert_eq!(trap(&mut engine, WATCHED, Some((5, 4))), Outcome::Resumed);
    assert_eq!(engine.target_mut().word(WATCHED), 5);
}
