//! The options of requests, kept without an allocator.

use heapless::Vec;

use crate::agent;
use crate::pool::Owner;

use super::Request;
use super::options::{Options, OptionsError, Then, ValueCondition};

/// What an expression is to its request.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// It says whether the request is hit.
    Condition,
    /// It is evaluated where the request is hit.
    Command,
}

/// The options of at most `N` requests, with at most `BYTES` bytes of expressions.
#[derive(Debug)]
pub(super) struct Attached<const N: usize, const BYTES: usize> {
    entries: Vec<Entry, N>,
    /// Expressions, each after its length as two bytes; those of an entry are together, and there are no
    /// gaps.
    bytecode: Vec<u8, BYTES>,
}

/// The options of one request, and what has become of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) request: Request,
    pub(super) owner: Owner,
    pub(super) hits: u64,
    pub(super) ignore: u32,
    pub(super) value: ValueCondition,
    pub(super) then: Then,
    conditions: Span,
    commands: Span,
}

/// Where expressions are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Span {
    start: usize,
    length: usize,
}

impl Span {
    const fn end(self) -> usize {
        self.start + self.length
    }
}

/// Bytes of an expression's length.
const HEADER: usize = 2;

/// The first expression, and those behind it.
fn split(expressions: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, after) = expressions.split_first_chunk::<HEADER>()?;
    after.split_at_checked(u16::from_le_bytes(*length).into())
}

impl<const N: usize, const BYTES: usize> Attached<N, BYTES> {
    pub(super) const fn new() -> Self {
        Self { entries: Vec::new(), bytecode: Vec::new() }
    }

    /// How many bytes of expressions there are.
    pub(super) fn used(&self) -> usize {
        self.bytecode.len()
    }

    fn position(&self, request: &Request, owner: Owner) -> Option<usize> {
        self.entries.iter().position(|entry| entry.owner == owner && entry.request.is_same(request))
    }

    pub(super) fn get(&self, request: &Request, owner: Owner) -> Option<&Entry> {
        self.entries.get(self.position(request, owner)?)
    }

    pub(super) fn get_mut(&mut self, request: &Request, owner: Owner) -> Option<&mut Entry> {
        let position = self.position(request, owner)?;
        self.entries.get_mut(position)
    }

    /// Whether there is room for these options in the place of those that the request has now.
    pub(super) fn fits(
        &self,
        request: &Request,
        owner: Owner,
        options: &Options<'_>,
    ) -> Result<(), OptionsError> {
        if options.is_plain() {
            return Ok(());
        }
        let old = self.get(request, owner);
        if old.is_none() && self.entries.is_full() {
            return Err(OptionsError::TooMany { capacity: N });
        }
        let needed = options.expressions().map(|code| HEADER + code.len()).sum();
        let free =
            BYTES - self.bytecode.len() + old.map_or(0, |old| old.conditions.length + old.commands.length);
        if needed > free { Err(OptionsError::Full { needed, free }) } else { Ok(()) }
    }

    /// Gives a request these options instead of those that it has; [`Self::fits`] has let them through. Its
    /// hits count on.
    pub(super) fn set(&mut self, request: Request, owner: Owner, options: &Options<'_>) {
        let hits = self.get(&request, owner).map_or(0, |old| old.hits);
        self.remove(&request, owner);
        if options.is_plain() {
            return;
        }
        let conditions = self.append(options.conditions, options);
        let commands = self.append(options.commands, options);
        let entry = Entry {
            request,
            owner,
            hits,
            ignore: options.ignore,
            value: options.value,
            then: options.then,
            conditions,
            commands,
        };
        // There is room, as `fits` has said.
        let _ = self.entries.push(entry);
    }

    pub(super) fn remove(&mut self, request: &Request, owner: Owner) {
        if let Some(position) = self.position(request, owner) {
            self.remove_at(position);
        }
    }

    pub(super) fn remove_owner(&mut self, owner: Owner) {
        while let Some(position) = self.entries.iter().position(|entry| entry.owner == owner) {
            self.remove_at(position);
        }
    }

    /// The expression with this index, of a request's conditions or commands.
    pub(super) fn expression(
        &self,
        request: &Request,
        owner: Owner,
        kind: Kind,
        index: usize,
    ) -> Option<&[u8]> {
        let entry = self.get(request, owner)?;
        let span = match kind {
            Kind::Condition => entry.conditions,
            Kind::Command => entry.commands,
        };
        let mut rest = self.bytecode.get(span.start..span.end())?;
        for _ in 0..index {
            rest = split(rest)?.1;
        }
        Some(split(rest)?.0)
    }

    /// Adds expressions, in the engine's own register numbers.
    fn append(&mut self, expressions: &[&[u8]], options: &Options<'_>) -> Span {
        let start = self.bytecode.len();
        for code in expressions {
            // Neither can fail: checked code is at most `agent::MAX_LENGTH` long, and there is room.
            let length = u16::try_from(code.len()).unwrap_or_default();
            let at = self.bytecode.len() + HEADER;
            let _ = self.bytecode.extend_from_slice(&length.to_le_bytes());
            let _ = self.bytecode.extend_from_slice(code);
            let _ = agent::renumber(self.bytecode.get_mut(at..).unwrap_or_default(), options.numbering);
        }
        Span { start, length: self.bytecode.len() - start }
    }

    fn remove_at(&mut self, position: usize) {
        let Some(entry) = self.entries.get(position).copied() else { return };
        if let Some(last) = self.entries.pop()
            && let Some(place) = self.entries.get_mut(position)
        {
            *place = last;
        }
        // Conditions and commands stand one behind the other.
        self.close(Span {
            start: entry.conditions.start,
            length: entry.conditions.length + entry.commands.length,
        });
    }

    /// Takes bytes out and moves what is behind them.
    fn close(&mut self, gap: Span) {
        if gap.length == 0 {
            return;
        }
        let rest = self.bytecode.len().saturating_sub(gap.end());
        for offset in 0..rest {
            if let Some(byte) = self.bytecode.get(gap.end() + offset).copied()
                && let Some(place) = self.bytecode.get_mut(gap.start + offset)
            {
                *place = byte;
            }
        }
        self.bytecode.truncate(gap.start + rest);
        for entry in &mut self.entries {
            for span in [&mut entry.conditions, &mut entry.commands] {
                if span.start >= gap.end() {
                    span.start -= gap.length;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::breakpoint::Instruction;
    use proptest::prelude::*;
    use std::vec::Vec as List;

    const ENTRIES: usize = 4;
    const BYTES: usize = 96;

    type Store = Attached<ENTRIES, BYTES>;
    type Expressions = List<List<u8>>;

    #[derive(Clone, Debug)]
    enum Action {
        Set { request: u8, host: bool, conditions: Expressions, commands: Expressions, ignore: u32 },
        Remove { request: u8, host: bool },
        RemoveOwner { host: bool },
    }

    /// What the store is to hold.
    #[derive(Clone, PartialEq, Debug)]
    struct Kept {
        request: u8,
        host: bool,
        conditions: Expressions,
        commands: Expressions,
        ignore: u32,
        hits: u64,
    }

    fn request(number: u8) -> Request {
        Request::Software { address: 4 * u64::from(number), instruction: Instruction::A64 }
    }

    const fn owner(host: bool) -> Owner {
        if host { Owner::HOST } else { Owner::DEBUGGER }
    }

    /// Constants, of which nothing is a register's number.
    fn expressions() -> impl Strategy<Value = Expressions> {
        let code = prop::collection::vec(any::<u8>(), 0..6)
            .prop_map(|bytes| bytes.into_iter().flat_map(|byte| [0x22, byte]).chain([0x27]).collect());
        prop::collection::vec(code, 0..4)
    }

    fn action() -> impl Strategy<Value = Action> {
        let set = (0..6_u8, any::<bool>(), expressions(), expressions(), 0..3_u32);
        prop_oneof![
            4 => set.prop_map(|(request, host, conditions, commands, ignore)| {
                Action::Set { request, host, conditions, commands, ignore }
            }),
            2 => (0..6_u8, any::<bool>()).prop_map(|(request, host)| Action::Remove { request, host }),
            1 => any::<bool>().prop_map(|host| Action::RemoveOwner { host }),
        ]
    }

    fn slices(expressions: &Expressions) -> List<&[u8]> {
        expressions.iter().map(List::as_slice).collect()
    }

    fn size(kept: &Kept) -> usize {
        kept.conditions.iter().chain(&kept.commands).map(|code| HEADER + code.len()).sum()
    }

    fn check(store: &Store, model: &[Kept]) {
        assert_eq!(store.used(), model.iter().map(size).sum::<usize>());
        assert_eq!(store.entries.len(), model.len());
        for kept in model {
            let entry = store.get(&request(kept.request), owner(kept.host)).unwrap();
            assert_eq!((entry.ignore, entry.hits), (kept.ignore, kept.hits));
            let (request, owner) = (request(kept.request), owner(kept.host));
            for (kind, expected) in [(Kind::Condition, &kept.conditions), (Kind::Command, &kept.commands)] {
                let kept = (0..).map_while(|index| store.expression(&request, owner, kind, index));
                assert!(kept.eq(slices(expected)));
            }
        }
    }

    proptest! {
        #[test]
        fn the_store_holds_what_a_plain_list_would(actions in prop::collection::vec(action(), 0..60)) {
            let (mut store, mut model) = (Store::new(), List::<Kept>::new());
            for action in actions {
                match action {
                    Action::Set { request: number, host, conditions, commands, ignore } => {
                        let (first, second) = (slices(&conditions), slices(&commands));
                        let options =
                            Options { conditions: &first, commands: &second, ignore, ..Options::default() };
                        let (request, owner) = (request(number), owner(host));
                        let place = model.iter().position(|kept| (kept.request, kept.host) == (number, host));
                        let hits = place.map_or(0, |place| model[place].hits);
                        let kept = Kept { request: number, host, conditions: conditions.clone(), commands: commands.clone(), ignore, hits };
                        let others: usize = model.iter().map(size).sum::<usize>() - place.map_or(0, |place| size(&model[place]));
                        let fits = options.is_plain()
                            || (place.is_some() || model.len() < ENTRIES) && others + size(&kept) <= BYTES;
                        prop_assert_eq!(store.fits(&request, owner, &options).is_ok(), fits);
                        if fits {
                            store.set(request, owner, &options);
                            model.retain(|kept| (kept.request, kept.host) != (number, host));
                            if !options.is_plain() {
                                model.push(kept);
                            }
                        }
                        // A hit is of this entry alone.
                        if let Some(entry) = store.get_mut(&request, owner) {
                            entry.hits += 1;
                            let kept = model.iter_mut().find(|kept| (kept.request, kept.host) == (number, host));
                            kept.unwrap().hits += 1;
                        }
                    }
                    Action::Remove { request: number, host } => {
                        store.remove(&request(number), owner(host));
                        model.retain(|kept| (kept.request, kept.host) != (number, host));
                    }
                    Action::RemoveOwner { host } => {
                        store.remove_owner(owner(host));
                        model.retain(|kept| kept.host != host);
                    }
                }
                check(&store, &model);
            }
        }
    }
}
