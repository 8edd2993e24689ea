//! Who holds which request, how often, and what serves it.

use heapless::Vec;

use super::{Owner, PoolError};

/// At most `N` requests `R`, each served by some pairs `S`. Identical requests of several owners are several
/// entries that share their pairs.
#[derive(Clone)]
pub(super) struct Ledger<R, S, const N: usize> {
    requests: Vec<R, N, u8>,
    /// By the same index as `requests`, and apart from them so that neither is padded to the other's
    /// alignment.
    holdings: Vec<Holding<S>, N, u8>,
}

/// Who holds a request, how often, and what serves it.
#[derive(Clone, Copy)]
pub(super) struct Holding<S> {
    pub(super) references: u16,
    pub(super) slots: S,
    pub(super) owner: Owner,
}

/// What it takes to reserve a request.
pub(super) enum Claim<S> {
    /// Nothing more: the owner has it already, and now once more.
    Counted,
    /// An entry that shares these pairs.
    Shared(S),
    /// Pairs of its own.
    New,
}

impl<R: Copy + PartialEq, S: Copy, const N: usize> Ledger<R, S, N> {
    pub(super) const fn new() -> Self {
        Self { requests: Vec::new(), holdings: Vec::new() }
    }

    /// Counts one more reference of `owner` to `request`, or says what it takes to reserve it.
    pub(super) fn claim(&mut self, request: &R, owner: Owner) -> Result<Claim<S>, PoolError> {
        let mut shared = Claim::New;
        for (known, holding) in self.requests.iter().zip(&mut self.holdings) {
            if known == request && holding.owner == owner {
                let references = holding.references;
                holding.references =
                    references.checked_add(1).ok_or(PoolError::TooManyReferences { references })?;
                return Ok(Claim::Counted);
            }
            if known == request {
                shared = Claim::Shared(holding.slots);
            }
        }
        Ok(shared)
    }

    pub(super) fn add(&mut self, request: R, owner: Owner, slots: S) -> Result<(), PoolError> {
        let full = PoolError::TooManyRequests { capacity: N as u8 };
        self.holdings.push(Holding { references: 1, slots, owner }).map_err(|_| full)?;
        self.requests.push(request).map_err(|_| full)
    }

    pub(super) fn release(&mut self, request: &R, owner: Owner) -> Result<(), PoolError> {
        let held = |(known, holding): (&R, &Holding<S>)| known == request && holding.owner == owner;
        let index = self.requests.iter().zip(&self.holdings).position(held).ok_or(PoolError::NotReserved)?;
        let holding = self.holdings.get_mut(index).ok_or(PoolError::NotReserved)?;
        holding.references -= 1;
        if holding.references == 0 {
            self.remove(index);
        }
        Ok(())
    }

    pub(super) fn release_owner(&mut self, owner: Owner) {
        while let Some(index) = self.holdings.iter().position(|holding| holding.owner == owner) {
            self.remove(index);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&R, &Holding<S>)> {
        self.requests.iter().zip(&self.holdings)
    }

    fn remove(&mut self, index: usize) {
        take_out(&mut self.requests, index);
        take_out(&mut self.holdings, index);
    }
}

/// Takes the element at `index` out, and puts the last one in its place. Unlike `swap_remove` it has no way
/// to panic: with an index that is out of range it takes the last one out.
fn take_out<T, const N: usize>(elements: &mut Vec<T, N, u8>, index: usize) {
    if let Some(last) = elements.pop()
        && let Some(place) = elements.get_mut(index)
    {
        *place = last;
    }
}
