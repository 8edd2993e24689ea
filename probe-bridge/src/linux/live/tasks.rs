//! The processes and threads of a running kernel.

use std::collections::HashSet;
use std::fmt;

use super::{Live, LiveError, Memory, number, pointer};

/// A list of more is taken for a circle.
const MOST_TASKS: usize = 1 << 16;
/// `PF_KTHREAD` (Linux, `include/linux/sched.h`).
const KERNEL_THREAD: u64 = 0x0020_0000;
/// The longest name with its end: `TASK_COMM_LEN`.
const NAME: usize = 16;

/// A thread.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Task {
    /// Where its `task_struct` is.
    pub address: u64,
    /// Its own number; what a kernel with `PID_IN_CONTEXTIDR` puts into `CONTEXTIDR_EL1`.
    pub pid: u32,
    /// The number of its process.
    pub tgid: u32,
    /// Its name.
    pub name: String,
    /// What it is about.
    pub state: State,
    /// The CPU that it runs on, or ran on last.
    pub cpu: Option<u32>,
    /// Whether it is of the kernel alone.
    pub kernel: bool,
}

/// What a thread is about: the bits of `__state` and of `exit_state` (Linux, `include/linux/sched.h`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct State(pub u32);

impl State {
    /// The letter that `ps` has for it.
    #[must_use]
    pub const fn letter(self) -> char {
        match self.0 {
            0 => 'R',
            // Asleep without counting as load.
            bits if bits & 0x402 == 0x402 => 'I',
            bits if bits & 0x1 != 0 => 'S',
            bits if bits & 0x2 != 0 => 'D',
            bits if bits & 0x4 != 0 => 'T',
            bits if bits & 0x8 != 0 => 't',
            bits if bits & 0x10 != 0 => 'X',
            bits if bits & 0x20 != 0 => 'Z',
            bits if bits & 0x40 != 0 => 'P',
            _ => '?',
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.letter())
    }
}

/// Where the members are that are looked at.
struct Offsets {
    tasks: u64,
    thread_node: u64,
    signal: u64,
    thread_head: u64,
    pid: u64,
    tgid: u64,
    comm: u64,
    flags: u64,
    state: u64,
    exit_state: u64,
    cpu: Option<u64>,
}

impl Offsets {
    fn of(live: &Live<'_>) -> Result<Self, LiveError> {
        let at = |path: &str| live.offset("task_struct", path);
        Ok(Self {
            tasks: at("tasks")?,
            thread_node: at("thread_node")?,
            signal: at("signal")?,
            thread_head: live.offset("signal_struct", "thread_head")?,
            pid: at("pid")?,
            tgid: at("tgid")?,
            comm: at("comm")?,
            flags: at("flags")?,
            // Until Linux 5.13 it had no underscores.
            state: at("__state").or_else(|_| at("state"))?,
            exit_state: at("exit_state")?,
            cpu: at("thread_info.cpu").or_else(|_| at("cpu")).ok(),
        })
    }

    fn read(&self, memory: &mut dyn Memory, address: u64) -> Result<Task, LiveError> {
        let mut word = |offset: u64| number::<4>(memory, address.wrapping_add(offset));
        let low = |value: u64| u32::try_from(value & 0xffff_ffff).unwrap_or_default();
        let state = word(self.state)? | word(self.exit_state)?;
        let (pid, tgid, flags) = (word(self.pid)?, word(self.tgid)?, word(self.flags)?);
        let cpu = self.cpu.map(&mut word).transpose()?;
        let mut name = [0; NAME];
        memory.read(address.wrapping_add(self.comm), &mut name)?;
        let end = name.iter().position(|&byte| byte == 0).unwrap_or(NAME);
        let name = name.get(..end).unwrap_or_default();
        Ok(Task {
            address,
            pid: low(pid),
            tgid: low(tgid),
            name: name.escape_ascii().to_string(),
            state: State(low(state)),
            cpu: cpu.map(low),
            kernel: flags & KERNEL_THREAD != 0,
        })
    }
}

/// All threads: the idle thread of the first CPU, then by process, in the order in which they were made.
///
/// # Errors
/// [`LiveError`]; also where the list is broken.
pub fn tasks(live: &Live<'_>, memory: &mut dyn Memory) -> Result<Vec<Task>, LiveError> {
    let offsets = Offsets::of(live)?;
    let first = live.symbol("init_task")?;
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    let mut leader = first;
    loop {
        if seen.insert(leader) {
            found.push(offsets.read(memory, leader)?);
        }
        let signal = pointer(memory, leader.wrapping_add(offsets.signal), "task's signal_struct")?;
        let head = signal.wrapping_add(offsets.thread_head);
        let mut node = pointer(memory, head, "list of threads")?;
        while node != head {
            let thread = node.wrapping_sub(offsets.thread_node);
            if seen.insert(thread) {
                found.push(offsets.read(memory, thread)?);
            } else if thread != leader {
                break;
            }
            if found.len() > MOST_TASKS {
                return Err(LiveError::Broken { what: "list of threads", value: head });
            }
            node = pointer(memory, node, "list of threads")?;
        }
        let next = pointer(memory, leader.wrapping_add(offsets.tasks), "list of tasks")?;
        leader = next.wrapping_sub(offsets.tasks);
        if leader == first {
            return Ok(found);
        }
        if seen.contains(&leader) || found.len() > MOST_TASKS {
            return Err(LiveError::Broken { what: "list of tasks", value: next });
        }
    }
}

/// The thread whose `task_struct` is at an address.
///
/// # Errors
/// [`LiveError`].
pub fn task(live: &Live<'_>, memory: &mut dyn Memory, address: u64) -> Result<Task, LiveError> {
    Offsets::of(live)?.read(memory, address)
}

/// The thread that has its stack in the kernel where an address is, or ends before.
///
/// # Errors
/// As [`tasks`].
pub fn owner_of_stack(
    live: &Live<'_>,
    memory: &mut dyn Memory,
    address: u64,
) -> Result<Option<u64>, LiveError> {
    /// No kernel's stacks are larger (Linux, `THREAD_SIZE` with pages of 64 KiB).
    const LARGEST: u64 = 64 << 10;
    let stack = live.offset("task_struct", "stack")?;
    let mut nearest: Option<(u64, u64)> = None;
    for task in tasks(live, memory)? {
        let begin = number::<8>(memory, task.address.wrapping_add(stack))?;
        let distance = address.wrapping_sub(begin);
        if (1..=LARGEST).contains(&distance) && nearest.is_none_or(|(near, _)| distance < near) {
            nearest = Some((distance, task.address));
        }
    }
    Ok(nearest.map(|(_, task)| task))
}
