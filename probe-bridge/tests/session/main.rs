//! Whoever knows a session on a KVM guest knows one on a board: the same calls, with the same outcomes.
//!
//! The board is simulated and runs anywhere. Where there is KVM, a guest with the same program is asked the same.
#![cfg(feature = "probe")]
#![expect(clippy::panic, clippy::unwrap_used, reason = "these are tests")]

mod calls;
#[cfg(all(feature = "kvm", target_arch = "aarch64"))]
mod guest;
#[path = "../simulated/probe.rs"]
#[expect(dead_code, reason = "other tests attach in other ways")]
mod probe;

use trapline_probe::session::{Board as BoardHost, Session};
use trapline_simulator::armv8a::Armv8aBoard;

use calls::{Outcome, PROGRAM, use_again, use_once};
use probe::Board;

/// What comes of everything on a simulated board.
fn on_a_board() -> Vec<Outcome> {
    let board = Board::new(Armv8aBoard::with_program(&PROGRAM).unwrap());
    let mut session = Session::new(BoardHost::new(board.attach().unwrap()).unwrap());
    let mut outcomes = use_once(&mut session);
    let mut session = Session::new(session.detach().unwrap());
    outcomes.extend(use_again(&mut session));
    outcomes
}

#[test]
fn a_board_answers_as_expected() {
    let outcomes = on_a_board();
    assert_eq!(outcomes, calls::EXPECTED.map(|(call, outcome)| (call, outcome.to_owned())));
}

#[cfg(all(feature = "kvm", target_arch = "aarch64"))]
#[test]
fn a_guest_answers_as_a_board_does() {
    assert_eq!(guest::on_a_guest(), on_a_board());
}
