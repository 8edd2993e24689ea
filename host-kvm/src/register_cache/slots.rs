//! What a cache holds of a set of registers.

/// Up to 64 values, each of which may be known, and if known may have been changed.
#[derive(Clone, Debug)]
pub(super) struct Slots<T, const N: usize> {
    values: [T; N],
    valid: u64,
    dirty: u64,
}

impl<T: Copy, const N: usize> Slots<T, N> {
    pub(super) fn new(zero: T) -> Self {
        const { assert!(N <= 64) };
        Self { values: [zero; N], valid: 0, dirty: 0 }
    }

    pub(super) fn get(&self, slot: usize) -> Option<T> {
        (self.valid & (1 << slot) != 0).then(|| self.values[slot])
    }

    /// Keeps what KVM has.
    pub(super) fn fill(&mut self, slot: usize, value: T) {
        self.values[slot] = value;
        self.valid |= 1 << slot;
        self.dirty &= !(1 << slot);
    }

    /// Keeps what KVM is to have.
    pub(super) fn change(&mut self, slot: usize, value: T) {
        self.fill(slot, value);
        self.dirty |= 1 << slot;
    }

    pub(super) fn next_dirty(&self) -> Option<(usize, T)> {
        let slot = self.dirty.trailing_zeros() as usize;
        self.values.get(slot).map(|value| (slot, *value))
    }

    pub(super) fn clean(&mut self, slot: usize) {
        self.dirty &= !(1 << slot);
    }

    pub(super) fn is_clean(&self) -> bool {
        self.dirty == 0
    }

    pub(super) fn forget(&mut self, slot: usize) {
        self.valid &= !(1 << slot);
        self.clean(slot);
    }

    pub(super) fn clear(&mut self) {
        (self.valid, self.dirty) = (0, 0);
    }
}
