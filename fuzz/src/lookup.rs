//! Whatever access hits armed watchpoints, and whatever address the hardware records of it: a request that it
//! touched is found, and with the pairs it names lifted the access passes.

use arbitrary::Arbitrary;
use trapline_core::address::AddressRange;
use trapline_core::comparator::{Bank, Capabilities};
use trapline_core::pool::{Owner, Slots, WatchpointPool};
use trapline_core::scope::Scope;
use trapline_core::watchpoint::{Access, Watchpoint};

use crate::hardware::{State, check_watchpoint};
use crate::read;

const CAPABILITIES: Capabilities =
    Capabilities { watchpoints: 8, watchpoint_mismatch: true, ..Capabilities::NONE };
/// What addresses lie near.
const BASE: u64 = 0xffff_8000_1000_0000;

/// Watchpoints and an access.
#[derive(Arbitrary, Debug)]
struct Input {
    requests: [(u16, u8, u8); 3],
    offset: i8,
    size: u8,
    write: bool,
    /// Which of the addresses that hardware may record.
    recorded: u8,
    block: u8,
    tag: u8,
}

/// Reserves the watchpoints and makes the access.
///
/// # Panics
/// Where the wrong request is found, or none.
pub fn check(data: &[u8]) {
    let Some(input) = read::<Input>(data) else { return };
    let mut pool: WatchpointPool = WatchpointPool::new(&CAPABILITIES);
    for (first, length, kind) in input.requests {
        let access = [Access::Read, Access::Write, Access::ReadWrite][usize::from(kind % 3)];
        let Ok(range) = AddressRange::new(BASE + u64::from(first % 256), u64::from(length)) else { continue };
        let request = match kind >> 4 {
            0 => Watchpoint::outside(range, access, Scope::EL1_AND_EL0),
            1..4 => Watchpoint::new(range, access, Scope::EL1_AND_EL0).covered(),
            _ => Watchpoint::new(range, access, Scope::EL1_AND_EL0),
        };
        // Refused where there are too few pairs, or a mismatch is among them.
        let _ = pool.reserve(request, Owner::DEBUGGER);
    }
    let mut bank = Bank::default();
    pool.arm(&mut bank.watchpoints, Slots::NONE);

    // One access, of at most four vector registers.
    let size = 1 << (input.size % 7);
    let first = BASE + u64::from(input.requests[0].0 % 256);
    let first = first.wrapping_add_signed(input.offset.into());
    let bytes = first..first + size;
    let hits = |bank: &Bank, address, size| {
        check_watchpoint(bank, address, size, input.write, State::GUEST_KERNEL, 0)
    };
    if !hits(&bank, first, size) {
        return;
    }
    // "From the lowest address accessed to the highest watchpointed address accessed."
    let Some(highest) = bytes.clone().rev().find(|byte| hits(&bank, *byte, 1)) else { return };
    let far = first + u64::from(input.recorded) % (highest - first + 1);
    let block = 16 << (input.block % 8);
    let tagged = far & !(0xff << 56) | u64::from(input.tag) << 56;
    let hit = pool.lookup(tagged, Some(input.write), block);
    let hit = hit.unwrap_or_else(|| panic!("nobody's: {far:#x} of {size} bytes at {first:#x}, {pool:?}"));

    let range = hit.watchpoint.range();
    assert_ne!(range.contains(hit.address), hit.watchpoint.is_outside(), "{hit:?}");
    assert!(hit.watchpoint.access().includes(Some(input.write)), "{hit:?}");
    assert_eq!(hit.exact, range.contains(far) != hit.watchpoint.is_outside(), "{hit:?}");
    let touched = bytes.clone().any(|byte| range.contains(byte) != hit.watchpoint.is_outside());
    let anything = pool.iter().any(|reserved| {
        let outside = reserved.watchpoint.is_outside();
        reserved.watchpoint.access().includes(Some(input.write))
            && bytes.clone().any(|byte| reserved.watchpoint.range().contains(byte) != outside)
    });
    // What was asked for is never taken for a false hit of a wider comparator, where the lowest address is
    // recorded.
    assert!(
        !(hit.spurious && far == first && (touched || anything)),
        "{hit:?} of {size} bytes at {first:#x}"
    );

    // Where all that is accessed is known, so is the first byte that was asked for, and whether there is one.
    let asked = |byte: &u64| {
        pool.iter().any(|reserved| {
            reserved.watchpoint.access().includes(Some(input.write))
                && reserved.watchpoint.range().contains(*byte) != reserved.watchpoint.is_outside()
        })
    };
    let accessed = AddressRange::new(first, size).unwrap_or(AddressRange::byte(first));
    let exact = pool.touched(accessed, Some(input.write));
    let exact = exact.unwrap_or_else(|| panic!("{accessed} touches nothing of {pool:?}"));
    let lowest = bytes.clone().find(asked);
    assert_eq!((!exact.spurious).then_some(exact.address), lowest, "{exact:?} of {accessed}");

    for slots in [hit.slots, exact.slots] {
        pool.arm(&mut bank.watchpoints, slots);
        assert!(!hits(&bank, first, size), "{slots:?} do not let {size} bytes at {first:#x} pass");
    }
}
