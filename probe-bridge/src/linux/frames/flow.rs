//! The frames of a whole function: its code is followed from its first instruction on.

use std::collections::BTreeMap;

use super::code::{Flow, effect, flow};
use super::frame::Frame;

/// The frame before each instruction.
///
/// Where ways with different frames meet, which compilers do not let happen, the first counts. Behind a call that
/// does not come back other code may follow: such ways are taken last. What nothing leads to is reached by a table
/// of addresses, and has the frame that was built before.
pub(super) fn frames(code: &[u32]) -> Vec<Frame> {
    let mut walk = Walk { code, before: vec![None; code.len()], soon: Vec::new(), late: BTreeMap::new() };
    walk.soon.push((0, Frame::NEW));
    walk.run();
    let mut built = Frame::NEW;
    for index in 0..code.len() {
        if walk.before.get(index).copied().flatten().is_none() {
            walk.soon.push((index, built));
            walk.run();
        }
        if let Some(frame) = walk.before.get(index).copied().flatten().filter(Frame::is_built) {
            built = frame;
        }
    }
    walk.before.into_iter().map(|frame| frame.unwrap_or(Frame::NEW)).collect()
}

struct Walk<'a> {
    code: &'a [u32],
    before: Vec<Option<Frame>>,
    /// Instructions to be looked at, and the frames before them.
    soon: Vec<(usize, Frame)>,
    /// Those behind calls.
    late: BTreeMap<usize, Frame>,
}

impl Walk<'_> {
    fn run(&mut self) {
        while let Some((index, frame)) = self.soon.pop().or_else(|| self.late.pop_first()) {
            let (Some(known), Some(&word)) = (self.before.get_mut(index), self.code.get(index)) else {
                continue;
            };
            if known.is_some() {
                continue;
            }
            *known = Some(frame);
            let behind = frame.behind(effect(word));
            let elsewhere = |distance: i32| index.checked_add_signed(isize::try_from(distance).ok()?);
            match flow(word) {
                Flow::Next => self.soon.push((index + 1, behind)),
                Flow::Call => _ = self.late.entry(index + 1).or_insert(behind),
                Flow::Jump(distance) => self.soon.extend(elsewhere(distance).map(|index| (index, behind))),
                Flow::Branch(distance) => {
                    self.soon.extend(elsewhere(distance).map(|index| (index, behind)));
                    self.soon.push((index + 1, behind));
                }
                Flow::End => {}
            }
        }
    }
}
