//! The address of an image's first byte, where its symbols' addresses are only known from there.

use std::collections::HashMap;

use super::KallsymsError;
use crate::linux::bytes::u64_at;
use crate::linux::image::{KernelImage, Relocations};

/// Images are linked at multiples of 2 MiB, before Linux 5.8 with 512 KiB on top.
const ALIGNMENT: u64 = 64 << 10;
/// So many pointers are enough to tell by.
const SAMPLE: usize = 1024;
/// Where fewer point to symbols, it is a coincidence.
const FEWEST: usize = 16;

/// The address by which most pointers of the image are to symbols, given as distances from there, which rise.
pub(super) fn by_pointers(
    image: &KernelImage<'_>,
    relocations: &Relocations,
    distances: &[u64],
) -> Result<u64, KallsymsError> {
    let mut pointers: Vec<_> = relocations.pointers().collect();
    if pointers.is_empty() {
        pointers = pointers_in_place(image.bytes());
    }
    pointers.sort_unstable();
    pointers.dedup();
    let sample: Vec<_> = pointers.iter().copied().step_by(pointers.len().div_ceil(SAMPLE).max(1)).collect();
    let hits = |base: u64| {
        let is_symbol = |pointer: &&u64| {
            pointer.checked_sub(base).is_some_and(|distance| distances.binary_search(&distance).is_ok())
        };
        sample.iter().filter(is_symbol).count()
    };
    // Most pointers are into the kernel, and so is the one in the middle.
    let middle = sample.get(sample.len() / 2).copied().unwrap_or_default();
    let last = middle - middle % ALIGNMENT;
    let bases = (0..=image.size().div_ceil(ALIGNMENT)).filter_map(|step| last.checked_sub(step * ALIGNMENT));
    let best = bases.map(|base| (hits(base), base)).max();
    best.filter(|&(hits, _)| hits >= FEWEST)
        .map(|(_, base)| base)
        .ok_or(KallsymsError::NoPointers { pointers: sample.len() })
}

/// What may be the pointers of an image whose relocations stand where they apply (`CONFIG_RELR`): of the words that
/// are addresses of the high half, those in the 4 GiB that have most.
fn pointers_in_place(image: &[u8]) -> Vec<u64> {
    let words =
        || (0..image.len()).step_by(8).filter_map(|at| u64_at(image, at)).filter(|word| word >> 48 >= 0xfff0);
    let mut parts: HashMap<u64, usize> = HashMap::new();
    for word in words() {
        *parts.entry(word >> 32).or_default() += 1;
    }
    // Small negative numbers are no addresses.
    parts.remove(&u64::from(u32::MAX));
    let most = parts.into_iter().max_by_key(|&(part, count)| (count, part));
    words().filter(|word| most.is_some_and(|(part, _)| word >> 32 == part)).collect()
}
