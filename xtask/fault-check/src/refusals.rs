//! Files and options that cannot be: what is said names the thing, its value and the way out.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use crate::Check;
use crate::programs;
use crate::tool::{Start, Tool, Tools};

pub(crate) const CHECKS: &[Check] = &[
    ("files that are no kernel", files),
    ("options that cannot be had", options),
    ("huge pages", huge_pages),
];

/// One refusal: the exit status, and what is said.
type Refusal<'a> = (&'a [&'a str], i32, &'a [&'a str]);

/// Each kernel file by a name, and what is said of it.
fn files(tools: &Tools) -> Result<String> {
    let cut_zboot = [b"MZ\0\0zimg\x40\0\0\0\0\x10\0\0".as_slice(), &[0; 8], b"gzip", &[0; 36]].concat();
    let lzo_zboot =
        [b"MZ\0\0zimg\x40\0\0\0\x04\0\0\0".as_slice(), &[0; 8], b"lzo", &[0; 37], b"\x89LZO"].concat();
    let kernels: [(&str, Vec<u8>, &[&str]); 9] = [
        ("script", b"#!/bin/sh\n".to_vec(), &["neither an arm64 Linux Image", "--flat"]),
        ("empty", Vec::new(), &["neither an arm64 Linux Image"]),
        ("cut.gz", b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x01\x10\0".to_vec(), &["gzip", "fetch the file anew"]),
        ("cut.efi", cut_zboot, &["0x1000 bytes at 0x40", "cut short"]),
        ("lzo.efi", lzo_zboot, &["packed with lzo", "unpack it first"]),
        ("elf", elf(62, 0), &["for machine 62, not for AArch64"]),
        ("vmlinux", elf(183, 0xffff_8000_8000_0000), &["(vmlinux)", "arch/arm64/boot/Image", "--symbols"]),
        ("bzImage", with(0x202, b"HdrS"), &["a Linux kernel for x86", "arm64"]),
        ("large", image(1 << 30), &["wants 0x40000000 bytes at 0x40000000", "more memory"]),
    ];
    for (name, content, said) in &kernels {
        let file = tools.directory().join(name);
        fs::write(&file, content)?;
        let named = [&[text(&file)?], *said].concat();
        refused(tools, (&["--kernel", text(&file)?], 1, &named)).with_context(|| (*name).to_owned())?;
    }
    refused(tools, (&["--kernel", "/no/kernel"], 1, &["/no/kernel", "No such file"]))?;
    Ok(format!("{} of them, each named", kernels.len() + 1))
}

fn options(tools: &Tools) -> Result<String> {
    let [kernel, empty] = ["Image", "nothing"].map(|name| tools.directory().join(name));
    fs::write(&kernel, image(0x1_0000))?;
    fs::write(&empty, "")?;
    let (kernel, empty) = (text(&kernel)?, text(&empty)?);
    let long = "a".repeat(2048);
    let refusals: [Refusal<'_>; 16] = [
        (&["--cmdline", &long], 1, &["2048 bytes", "2047"]),
        (&["--initrd", "/no/disk"], 1, &["/no/disk", "No such file"]),
        (&["--initrd", empty], 1, &["initial RAM disk is empty"]),
        (&["--memory", "9999999"], 1, &["9999999 MiB", "MiB with its swap space", "give the guest less"]),
        (&["--memory", "999999999"], 1, &["999999999 MiB", "MiB at the most"]),
        (&["--memory", "0"], 2, &["--memory", "0"]),
        (&["--memory", "4", "--initrd", "/proc/kallsyms"], 1, &["no room", "more memory"]),
        (&["--cpus", "60000"], 1, &["60000 vCPUs", "allow 1 to "]),
        (&["--cpus", "0"], 2, &["--cpus", "0"]),
        (&["--flat", "0x1000"], 1, &["at 0x1000", "RAM is 0x40000000"]),
        (&["--flat", "here"], 2, &["--flat", "here", "hexadecimal"]),
        (&["--features", "none"], 2, &["none", "sve, pauth, pmu"]),
        (&["--serial", "/no/where/log"], 1, &["/no/where/log", "choose another place"]),
        (&["--break", "main"], 1, &["main", "no symbols", "--symbols"]),
        (&["--gdb", "0.0.0.0:1"], 1, &["0.0.0.0:1", "--allow-remote"]),
        (&["--gdb", "nowhere"], 2, &["nowhere", "HOST:PORT"]),
    ];
    for (arguments, status, said) in refusals {
        let arguments = [&["--kernel", kernel], arguments].concat();
        refused(tools, (&arguments, status, said)).with_context(|| arguments.join(" "))?;
    }
    Ok(format!("{} of them, each named", refusals.len()))
}

/// Starts a guest that is refused in this way.
fn refused(tools: &Tools, (arguments, status, said): Refusal<'_>) -> Result<()> {
    let mut command = Command::new(tools.program());
    command.arg("guest").args(arguments);
    for (option, value) in [("--gdb", "none"), ("--serial", "/dev/null")] {
        if !arguments.contains(&option) {
            command.args([option, value]);
        }
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut tool = Tool::spawn(command)?;
    tool.ends_with(status)?;
    let all = tool.lines.join("\n");
    for words in said {
        ensure!(all.contains(words), "{words:?} is not said: {all}");
    }
    Ok(())
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("a name that is no text")
}

/// A page with something at a place.
fn with(at: usize, content: &[u8]) -> Vec<u8> {
    let mut file = vec![0; 0x1000];
    file[at..at + content.len()].copy_from_slice(content);
    file
}

/// The header of a Linux kernel that takes so much memory.
fn image(size: u64) -> Vec<u8> {
    let mut file = with(0x38, b"ARM\x64");
    file[0x10..0x18].copy_from_slice(&size.to_le_bytes());
    file[0x18] = 0xa;
    file
}

/// An executable for a machine, with a kernel's header as its one segment.
fn elf(machine: u16, address: u64) -> Vec<u8> {
    let segment = image(0x1000);
    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0".to_vec();
    file.extend(machine.to_le_bytes());
    file.extend(1_u32.to_le_bytes());
    for word in [address, 64, 0] {
        file.extend(word.to_le_bytes());
    }
    file.extend(0_u32.to_le_bytes());
    for half in [64_u16, 56, 1, 64, 0, 0] {
        file.extend(half.to_le_bytes());
    }
    file.extend([1_u32, 7].map(u32::to_le_bytes).as_flattened());
    let length = segment.len() as u64;
    for word in [120, address, address, length, length, 4] {
        file.extend(word.to_le_bytes());
    }
    file.extend(segment);
    file
}

/// How many huge pages the host has set aside.
const SET_ASIDE: &str = "/proc/sys/vm/nr_hugepages";
/// More than a guest of these checks takes, where they have 2 MiB.
const PAGES: u64 = 6;

/// None set aside: refused. Some: the guest's memory is made of them.
fn huge_pages(tools: &Tools) -> Result<String> {
    let guest = programs::counter();
    let start = Start { arguments: &["--hugepages"], ..Start::default() };
    let before: u64 = fs::read_to_string(SET_ASIDE)?.trim().parse()?;
    if before == 0 {
        let mut tool = Tool::spawn(tools.command(&guest, start)?)?;
        tool.ends_with(1)?;
        let all = tool.lines.join("\n");
        ensure!(all.contains("no 8 MiB of huge pages") && all.contains(SET_ASIDE), "{all}");
    }
    if fs::write(SET_ASIDE, (before + PAGES).to_string()).is_err() {
        return Ok("refused where there are none; others may not be set aside here".to_owned());
    }
    let mapped = tools.start_with(&guest, start).and_then(|tool| {
        let mut wire = tool.client()?;
        wire.expect(&format!("Z0,{:x},4", guest.busy), "OK")?;
        ensure!(wire.go_on()?.pc == guest.busy);
        wire.detach()?;
        let mapped = fs::read_to_string(format!("/proc/{}/smaps", tool.id()))?;
        tool.end()?;
        Ok(mapped)
    });
    fs::write(SET_ASIDE, before.to_string())?;
    let mapped = mapped?;
    let kilobytes = |name: &str| {
        let line = mapped.lines().filter_map(|line| line.strip_prefix(name)?.trim().strip_suffix(" kB"));
        line.filter_map(|number| number.parse::<u64>().ok()).max().unwrap_or(0)
    };
    let (page, taken) = (kilobytes("KernelPageSize:"), kilobytes("Private_Hugetlb:"));
    ensure!(page >= 2048 && taken >= page, "pages of {page} kB, {taken} kB taken: {mapped}");
    Ok(format!("{taken} kB of the guest's in pages of {page} kB"))
}
