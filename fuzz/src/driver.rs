//! A driver without coverage: random inputs and changed ones, for where there is no libFuzzer.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

use crate::Target;

/// The longest input that is made.
const LONGEST: usize = 1024;
/// How many inputs are tried between looks at the clock.
const BATCH: u64 = 1024;

/// What came of a run.
#[derive(Debug)]
pub struct Outcome {
    /// How many inputs were tried.
    pub executions: u64,
    /// The input at which the target failed.
    pub failure: Option<Vec<u8>>,
}

/// Runs a target on inputs made of `seeds` until `executions` were tried or `time` is over, and tells of its
/// progress about once a second.
pub fn run(
    target: Target,
    seeds: Vec<Vec<u8>>,
    seed: u64,
    executions: Option<u64>,
    time: Duration,
    mut progress: impl FnMut(u64, Duration),
) -> Outcome {
    let begun = Instant::now();
    let mut told = begun;
    let mut mutator = Mutator::new(seed, seeds);
    let mut done = 0;
    loop {
        for _ in 0..BATCH {
            let input = mutator.next_input();
            if catch_unwind(AssertUnwindSafe(|| (target.check)(input))).is_err() {
                return Outcome { executions: done, failure: Some(input.to_vec()) };
            }
            done += 1;
        }
        if executions.is_some_and(|most| done >= most) || begun.elapsed() >= time {
            return Outcome { executions: done, failure: None };
        }
        if told.elapsed() >= Duration::from_secs(1) {
            told = Instant::now();
            progress(done, begun.elapsed());
        }
    }
}

/// Makes inputs: random ones, seeds with some bytes changed, and pieces of seeds put together.
#[derive(Debug)]
pub struct Mutator {
    state: u64,
    seeds: Vec<Vec<u8>>,
    input: Vec<u8>,
}

impl Mutator {
    /// A generator that makes the same inputs for the same `seed`, which must not be 0.
    #[must_use]
    pub fn new(seed: u64, seeds: Vec<Vec<u8>>) -> Self {
        Self { state: seed.max(1), seeds, input: Vec::new() }
    }

    /// The next input.
    pub fn next_input(&mut self) -> &[u8] {
        self.input.clear();
        let choice = if self.seeds.is_empty() { 0 } else { self.below(4) };
        match choice {
            0 => self.random(),
            1 | 2 => {
                let seed = self.below(self.seeds.len());
                self.input.extend_from_slice(&self.seeds[seed]);
                self.change();
            }
            _ => {
                for _ in 0..2 {
                    let seed = self.below(self.seeds.len());
                    let (first, last) = (self.below(LONGEST), self.below(LONGEST));
                    let seed = &self.seeds[seed];
                    let (first, last) = (first.min(seed.len()), last.min(seed.len()));
                    self.input.extend_from_slice(&seed[first.min(last)..first.max(last)]);
                }
                self.change();
            }
        }
        self.input.truncate(LONGEST);
        &self.input
    }

    fn random(&mut self) {
        let longest = if self.below(8) == 0 { LONGEST } else { 160 };
        let length = 1 + self.below(longest);
        // Some inputs have mostly small or mostly equal bytes: enumerations, lengths and flags.
        let mask = [0xff, 0xff, 0x0f, 0x03][self.below(4)];
        while self.input.len() < length {
            let bytes = self.next().to_le_bytes();
            self.input.extend(bytes.map(|byte| byte & mask));
        }
        self.input.truncate(length);
    }

    /// Changes some bytes: one, a few, or a whole word.
    fn change(&mut self) {
        const INTERESTING: [u8; 8] = [0, 1, 3, 0x1f, 0x7f, 0x80, 0xfe, 0xff];
        for _ in 0..=self.below(4) {
            if self.input.is_empty() {
                return self.random();
            }
            let place = self.below(self.input.len());
            match self.below(6) {
                0 => {
                    let bit = self.below(8);
                    self.input[place] ^= 1 << bit;
                }
                1 => self.input[place] = self.next() as u8,
                2 => self.input[place] = INTERESTING[self.below(INTERESTING.len())],
                3 => {
                    let word = self.next().to_le_bytes();
                    for (to, from) in self.input[place..].iter_mut().zip(word) {
                        *to = from;
                    }
                }
                4 => {
                    let byte = self.next() as u8;
                    self.input.insert(place, byte);
                }
                _ => {
                    self.input.remove(place);
                }
            }
        }
    }

    fn below(&mut self, bound: usize) -> usize {
        // Never biased by more than one in 2^32 / bound.
        ((self.next() >> 32) as usize).checked_rem(bound).unwrap_or(0)
    }

    /// xorshift64*.
    fn next(&mut self) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}
