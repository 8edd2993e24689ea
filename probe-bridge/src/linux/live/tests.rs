//! Kernels put together by hand, in a memory that is a list of bytes.

use std::collections::HashMap;

use super::*;
use crate::linux::btf::tests::Builder;
use crate::linux::kallsyms::tests::{BASE, Layout, image};

/// How far the kernel of these tests has moved.
const SLIDE: u64 = 0x2c_0000;
const BANNER: &[u8] = b"Linux version 6.1.0-test (a@b) #1 SMP\n\0";
/// Where physical memory begins.
const RAM: u64 = 0x4000_0000;

/// Memory of single bytes; everything that was not written cannot be read.
#[derive(Default)]
struct Dump {
    bytes: HashMap<u64, u8>,
    physical: HashMap<u64, u8>,
}

impl Dump {
    fn write(&mut self, address: u64, bytes: &[u8]) {
        self.bytes.extend((address..).zip(bytes.iter().copied()));
    }

    fn word(&mut self, address: u64, value: u64) {
        self.write(address, &value.to_le_bytes());
    }
}

fn fill(from: &HashMap<u64, u8>, address: u64, bytes: &mut [u8]) -> Result<(), Unreadable> {
    for (at, byte) in (address..).zip(bytes) {
        *byte = *from.get(&at).ok_or(Unreadable { address })?;
    }
    Ok(())
}

impl Memory for Dump {
    fn read(&mut self, address: u64, bytes: &mut [u8]) -> Result<(), Unreadable> {
        fill(&self.bytes, address, bytes)
    }

    fn read_physical(&mut self, address: u64, bytes: &mut [u8]) -> Result<(), Unreadable> {
        fill(&self.physical, address, bytes)
    }

    fn regions(&self) -> Vec<(u64, u64)> {
        vec![(RAM, 0x40_0000)]
    }
}

fn types() -> Builder {
    let mut types = Builder::new();
    let int = types.integer("unsigned int", 4, 0);
    let long = types.integer("long unsigned int", 8, 0);
    let short = types.integer("short unsigned int", 2, 0);
    let char = types.integer("char", 1, 0);
    let comm = types.array(char, 16);
    let list = types.structure("list_head", 16, &[("next", long, 0, 0), ("prev", long, 64, 0)]);
    let info = types.structure("thread_info", 24, &[("flags", long, 0, 0), ("cpu", int, 128, 0)]);
    types.structure("signal_struct", 32, &[("count", long, 0, 0), ("thread_head", list, 64, 0)]);
    types.structure(
        "task_struct",
        128,
        &[
            ("thread_info", info, 0, 0),
            ("__state", int, 8 * 24, 0),
            ("flags", int, 8 * 28, 0),
            ("tasks", list, 8 * 32, 0),
            ("exit_state", int, 8 * 48, 0),
            ("pid", int, 8 * 52, 0),
            ("tgid", int, 8 * 56, 0),
            ("thread_node", list, 8 * 64, 0),
            ("signal", long, 8 * 80, 0),
            ("comm", comm, 8 * 88, 0),
            ("stack", long, 8 * 104, 0),
        ],
    );
    let position = types.structure("prb_data_blk_lpos", 16, &[("begin", long, 0, 0), ("next", long, 64, 0)]);
    types.structure("prb_desc", 24, &[("state_var", long, 0, 0), ("text_blk_lpos", position, 64, 0)]);
    types.structure(
        "printk_info",
        24,
        &[("seq", long, 0, 0), ("ts_nsec", long, 64, 0), ("text_len", short, 128, 0)],
    );
    let descriptors = types.structure(
        "prb_desc_ring",
        40,
        &[
            ("count_bits", int, 0, 0),
            ("descs", long, 64, 0),
            ("infos", long, 128, 0),
            ("head_id", long, 192, 0),
            ("tail_id", long, 256, 0),
        ],
    );
    let data = types.structure("prb_data_ring", 16, &[("size_bits", int, 0, 0), ("data", long, 64, 0)]);
    types.structure(
        "printk_ringbuffer",
        56,
        &[("desc_ring", descriptors, 0, 0), ("text_data_ring", data, 8 * 40, 0)],
    );
    types
}

/// Symbols of the kernel, by their order in it.
const NAMES: [&str; 6] = ["_stext", "vectors", "kimage_voffset", "init_task", "prb", "_etext"];

fn kernel() -> Kernel {
    let symbols: Vec<_> = (0..).map(|number| BASE + 0x800 * number).zip(NAMES.map(str::to_owned)).collect();
    let mut bytes = image(&symbols, Layout::Behind, true);
    bytes.extend(types().bytes());
    bytes.extend(BANNER);
    Kernel::read(&bytes).unwrap()
}

fn linked(name: &str) -> u64 {
    kernel().symbols().named(name).next().unwrap().address
}

fn task_at(dump: &mut Dump, address: u64, pid: u32, next: u64, threads: &[u64], flags: u32) {
    let mut bytes = [0; 128];
    bytes[16..20].copy_from_slice(&3_u32.to_le_bytes());
    bytes[24..28].copy_from_slice(&1_u32.to_le_bytes());
    bytes[28..32].copy_from_slice(&flags.to_le_bytes());
    bytes[32..40].copy_from_slice(&(next + 32).to_le_bytes());
    bytes[52..56].copy_from_slice(&pid.to_le_bytes());
    bytes[56..60].copy_from_slice(&pid.to_le_bytes());
    bytes[88..92].copy_from_slice(b"sh\x07\0");
    let signal = address + 0x1_0000;
    bytes[80..88].copy_from_slice(&signal.to_le_bytes());
    bytes[104..112].copy_from_slice(&stack_of(pid).to_le_bytes());
    dump.write(address, &bytes);
    // The list of threads: its head, the task itself, and the others.
    let nodes: Vec<_> =
        [signal + 8, address + 64].into_iter().chain(threads.iter().map(|thread| thread + 64)).collect();
    for (index, node) in nodes.iter().enumerate() {
        dump.word(*node, nodes[(index + 1) % nodes.len()]);
    }
}

/// Stacks lie one behind the other.
fn stack_of(pid: u32) -> u64 {
    0xffff_8000_0800_0000 + 0x4000 * u64::from(pid)
}

#[test]
fn tasks_are_listed_with_their_threads() {
    let kernel = kernel();
    let live = Live { kernel: &kernel, slide: SLIDE };
    let mut dump = Dump::default();
    let (first, second, thread) = (linked("init_task") + SLIDE, 0xffff_0000_0001_0000, 0xffff_0000_0003_0000);
    task_at(&mut dump, first, 0, second, &[], KERNEL_THREAD);
    task_at(&mut dump, thread, 8, 0, &[], 0);
    task_at(&mut dump, second, 7, first, &[thread], 0);
    let found = tasks(&live, &mut dump).unwrap();
    let short: Vec<_> =
        found.iter().map(|task| (task.pid, task.kernel, task.cpu, task.state.letter())).collect();
    assert_eq!(short, [(0, true, Some(3), 'S'), (7, false, Some(3), 'S'), (8, false, Some(3), 'S')]);
    assert_eq!(found[1].name, "sh\\x07");

    // A stack that is empty ends where the next begins.
    for (pid, address) in [(7, second), (8, thread)] {
        for distance in [1, 0x100, 0x4000] {
            let owner = owner_of_stack(&live, &mut dump, stack_of(pid) + distance);
            assert_eq!(owner, Ok(Some(address)), "{pid} {distance:#x}");
        }
    }
    assert_eq!(owner_of_stack(&live, &mut dump, stack_of(0)), Ok(None));
    assert_eq!(owner_of_stack(&live, &mut dump, 0x1000), Ok(None));

    // A list that never comes back to its begin.
    task_at(&mut dump, second, 7, second, &[], 0);
    let error = tasks(&live, &mut dump).unwrap_err();
    assert!(matches!(error, LiveError::Broken { what: "list of tasks", .. }), "{error}");
    dump.word(second + 32, 0x1234);
    assert!(matches!(tasks(&live, &mut dump).unwrap_err(), LiveError::Broken { value: 0x1234, .. }));
}

const KERNEL_THREAD: u32 = 0x0020_0000;

/// A buffer with a text ring of 64 bytes; the last message begins where only its number fits.
fn log(dump: &mut Dump, messages: &[(u64, u64, &str)]) {
    let [buffer, descriptors, infos, text] =
        [0, 1, 2, 3].map(|number| 0xffff_0000_0010_0000 + 0x1_0000 * number);
    dump.word(linked("prb") + SLIDE, buffer);
    let newest = messages.len() as u64 - 1;
    for (at, value) in [(0, 2), (8, descriptors), (16, infos), (24, newest), (32, 0), (40, 6), (48, text)] {
        dump.word(buffer + at, value);
    }
    dump.write(text, &[0; 64]);
    for (id, (begin, next, message)) in messages.iter().enumerate() {
        let id = id as u64;
        for (at, value) in [(0, id | 2 << 62), (8, *begin), (16, *next)] {
            dump.word(descriptors + 24 * id + at, value);
        }
        for (at, value) in [(0, id + 100), (8, 1_500_000_000 * id), (16, message.len() as u64)] {
            dump.word(infos + 24 * id + at, value);
        }
        if begin & 1 == 0 {
            let wraps = begin / 64 != (next - 1) / 64;
            dump.write(text + if wraps { 0 } else { begin % 64 } + 8, message.as_bytes());
        }
    }
}

#[test]
fn messages_are_read_where_they_begin_anew_too() {
    let kernel = kernel();
    let live = Live { kernel: &kernel, slide: SLIDE };
    let mut dump = Dump::default();
    log(&mut dump, &[(16, 32, "first"), (32, 56, "second\x1b[1m"), (1, 3, ""), (56, 64 + 16, "third\n")]);
    let read = |dump: &mut Dump, last| -> Vec<_> {
        records(&live, dump, last).unwrap().into_iter().map(|record| (record.sequence, record.text)).collect()
    };
    let said = |sequence, text: &str| (sequence, text.to_owned());
    let all = [said(100, "first"), said(101, "second\u{fffd}[1m"), said(102, ""), said(103, "third")];
    assert_eq!(read(&mut dump, None), all);
    assert_eq!(read(&mut dump, Some(2)), all[2..]);
}

#[test]
fn a_buffer_that_was_never_set_up_is_said_to_be_one() {
    let kernel = kernel();
    let live = Live { kernel: &kernel, slide: SLIDE };
    let mut dump = Dump::default();
    assert!(matches!(records(&live, &mut dump, None), Err(LiveError::Unreadable(_))));
    dump.word(linked("prb") + SLIDE, 0);
    assert!(matches!(
        records(&live, &mut dump, None),
        Err(LiveError::Broken { what: "message buffer", value: 0 })
    ));
}

#[test]
fn the_vectors_or_the_memory_say_where_the_kernel_is() {
    let kernel = kernel();
    let mut dump = Dump::default();
    assert_eq!(slide(&kernel, [linked("vectors") + SLIDE], &mut dump), Err(NotFound::Nowhere));

    // Somebody else's vectors are no reason to believe anything.
    let banner = &BANNER[..BANNER.len() - 2];
    dump.write(linked("linux_banner") + SLIDE, banner);
    for vectors in [vec![0x800, linked("vectors") + SLIDE], vec![linked("vectors") + SLIDE]] {
        assert_eq!(slide(&kernel, vectors, &mut dump), Ok(SLIDE));
    }

    let mut dump = Dump::default();
    let physical = RAM + 0x21_0000;
    let at = |name: &str| linked(name) - BASE + physical;
    dump.physical.extend((at("linux_banner")..).zip(banner.iter().copied()));
    dump.physical.extend((at("kimage_voffset")..).zip([0; 8]));
    assert_eq!(slide(&kernel, [0x800], &mut dump), Err(NotFound::NotYet { physical }));
    let distance = (BASE + SLIDE).wrapping_sub(physical);
    dump.physical.extend((at("kimage_voffset")..).zip(distance.to_le_bytes()));
    assert_eq!(slide(&kernel, [0x800], &mut dump), Ok(SLIDE));
}
