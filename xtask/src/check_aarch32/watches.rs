//! The exact address of watchpoint hits by every form of load and store that the firmware has by hand.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use crate::clients::Seen;
use crate::clients::watches::{Symbols, run_to};
use crate::clients::wire::Wire;

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How many instructions may touch what is watched before the one that is meant.
const OTHER_HITS: usize = 8;

/// What is watched of the block, and the hit that must come of it.
struct Watch {
    /// The instruction's name.
    by: &'static str,
    /// Whether reads are watched, and not writes.
    read: bool,
    /// The watched bytes, as offsets from the block.
    from: u64,
    length: u64,
    /// The first of them that the instruction accesses.
    first: u64,
    /// Whether no other instruction comes before.
    alone: bool,
}

const fn writes(by: &'static str, from: u64, length: u64, first: u64) -> Watch {
    Watch { by, read: false, from, length, first, alone: false }
}

const fn reads(by: &'static str, from: u64, length: u64, first: u64) -> Watch {
    Watch { by, read: true, from, length, first, alone: false }
}

/// In A32 code, and then in T32 code.
const WATCHES: [(&str, u64, &[Watch]); 2] = [
    (
        "block_a32",
        4,
        &[
            writes("a32_stm", 0, 8, 4),
            writes("a32_stm", 0xe, 2, 0xe),
            writes("a32_stmdb", 0x1c, 4, 0x1c),
            writes("a32_strd", 0x15, 1, 0x15),
            writes("a32_post", 0x31, 1, 0x31),
            writes("a32_scaled", 0x20, 0x10, 0x20),
            reads("a32_negative", 0x1a, 2, 0x1a),
            // The one before has a condition that fails.
            Watch { alone: true, ..writes("a32_eq", 0x40, 8, 0x44) },
            writes("a32_vstm", 0x50, 8, 0x50),
            writes("a32_vst1", 0x69, 3, 0x69),
            reads("a32_ldm", 0xc, 4, 0xc),
            reads("a32_ldrexd", 6, 2, 6),
        ],
    ),
    (
        "block_t32",
        2,
        &[
            writes("t32_stm", 0, 8, 4),
            writes("t32_stm", 0xe, 2, 0xe),
            writes("t32_push", 0x1c, 4, 0x1c),
            writes("t32_strd", 0x15, 1, 0x15),
            writes("t32_strh", 0x31, 1, 0x31),
            writes("t32_scaled", 0x20, 0x10, 0x20),
            reads("t32_negative", 0x1a, 2, 0x1a),
            // The one before is in an IT block with a condition that fails.
            Watch { alone: true, ..writes("t32_eq", 0x40, 8, 0x44) },
            writes("t32_vpush", 0x50, 8, 0x50),
            writes("t32_vst2", 0x69, 3, 0x69),
            reads("t32_ldm", 0xc, 4, 0xc),
            reads("t32_ldrsb", 0x70, 4, 0x72),
        ],
    ),
];

/// Checks every hit.
pub(super) fn check(address: &str, elf: &Path) -> Result<Seen> {
    let symbols = Symbols::read(elf)?;
    let mut wire = Wire::connect(address, PATIENCE)?;
    // How gdb begins; it says where the target stands.
    wire.ask("?")?;
    let mut seen = Seen::new();
    for (function, kind, watches) in WATCHES {
        for watch in watches {
            let hit =
                hit(&mut wire, &symbols, (function, kind), watch).with_context(|| watch.by.to_owned())?;
            let what = if watch.read { "read" } else { "written" };
            seen.push((format!("{} bytes {what} by {}", watch.length, watch.by), hit));
        }
    }
    wire.detach()?;
    Ok(seen)
}

fn hit(wire: &mut Wire, symbols: &Symbols, (function, kind): (&str, u64), watch: &Watch) -> Result<String> {
    // Bit 0 of T32 functions says that they are that.
    let code = |name: &str| Ok::<_, anyhow::Error>(symbols.address(name)? & !1);
    let (function, by, block) = (code(function)?, code(watch.by)?, symbols.address("BLOCK")?);
    run_to(wire, function, kind)?;
    let (packet, reason) = if watch.read { (3, "rwatch") } else { (2, "watch") };
    let range = format!("{packet},{:x},{:x}", block + watch.from, watch.length);
    wire.expect(&format!("Z{range}"), "OK")?;
    for before in 0..=OTHER_HITS {
        let stop = wire.go_on()?;
        let hit = stop.watched(reason).with_context(|| format!("no hit of it: {stop:?}"))?;
        ensure!(
            (watch.from..watch.from + watch.length).contains(&(hit - block)),
            "a hit at {hit:#x}, outside"
        );
        if stop.pc == by {
            ensure!(hit - block == watch.first, "told to touch {:#x}, not {:#x}", hit - block, watch.first);
            wire.expect(&format!("z{range}"), "OK")?;
            return Ok(format!("hit at {hit:#x}"));
        }
        ensure!(!watch.alone, "the hit number {} is by {:#x}", before + 1, stop.pc);
    }
    bail!("{OTHER_HITS} hits, none by the instruction at {by:#x}")
}
