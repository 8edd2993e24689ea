//! Reading what gdb prints for its user.

/// An instruction, and where it goes.
pub(super) struct NextInstruction {
    /// As disassembled.
    pub(super) text: String,
    /// Where the program counter may be after it.
    pub(super) targets: Vec<u64>,
}

/// `c` of `a::b::c`.
pub(super) fn last_of_path(path: &str) -> &str {
    path.rsplit("::").next().unwrap_or(path)
}

/// `0x1f` as a number.
pub(super) fn hexadecimal(text: &str) -> Option<u64> {
    u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

/// The value in `$1 = value`.
pub(super) fn printed(console: &str) -> Option<&str> {
    console.trim_end().strip_prefix('$')?.split_once(" = ").map(|(_, value)| value)
}

/// The value of a register in the list of `info registers`.
pub(super) fn register(console: &str, name: &str) -> Option<u64> {
    let line = console.lines().find(|line| line.split_whitespace().next() == Some(name))?;
    hexadecimal(line.split_whitespace().nth(1)?)
}

/// The words after the colon of each line.
pub(super) fn words(console: &str) -> Option<Vec<u64>> {
    let mut words = Vec::new();
    for line in console.lines() {
        for word in line.split_once(":\t")?.1.split_whitespace() {
            words.push(hexadecimal(word)?);
        }
    }
    Some(words)
}

/// The functions of a backtrace, without the modules that they are in.
pub(super) fn backtrace(console: &str) -> Vec<&str> {
    let frames = console.lines().filter(|line| line.starts_with('#'));
    frames
        .filter_map(|line| {
            let before = line.split_once(" (")?.0;
            before.split_whitespace().next_back().map(last_of_path)
        })
        .collect()
}

/// Reads `=> 0x40001000 <f+4>:<tab>b.eq<tab>0x40001010 <f+20>`.
pub(super) fn next_instruction(console: &str, link: Option<u64>) -> Option<NextInstruction> {
    let line = console.trim();
    let (place, text) = line.trim_start_matches("=>").trim().split_once(":\t")?;
    let address = hexadecimal(place.split_whitespace().next()?)?;
    let mut parts = text.split_whitespace();
    let mnemonic = parts.next()?;
    let target = || text.split([' ', '\t', ',']).find_map(hexadecimal);
    let targets = match mnemonic {
        "ret" => vec![link?],
        "b" | "bl" => vec![target()?],
        "cbz" | "cbnz" | "tbz" | "tbnz" => vec![address + 4, target()?],
        conditional if conditional.starts_with("b.") => vec![address + 4, target()?],
        "br" | "blr" | "eret" | "svc" | "hvc" | "smc" | "brk" => return None,
        _ => vec![address + 4],
    };
    Some(NextInstruction { text: text.replace('\t', " "), targets })
}

/// Disassembly without the arrow at the line of the program counter.
pub(super) fn without_arrows(console: &str) -> String {
    console.lines().map(|line| line.trim_start_matches("=>").trim()).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instruction_goes_on_or_to_where_it_branches() {
        let targets = |line: &str, link| next_instruction(line, link).map(|next| next.targets);
        let (pc, next, target) = (0x1000, 0x1004, 0x1010);
        assert_eq!(targets("=> 0x1000 <f+4>:\tadd\tx0, x1, #0x10\n", None), Some(vec![next]));
        assert_eq!(targets("=> 0x1000 <f>:\tbl\t0x1010 <g>\n", None), Some(vec![target]));
        assert_eq!(
            targets("   0x1000 <f>:\tb.hs\t0x1010 <f+16>  // b.nlast\n", None),
            Some(vec![next, target])
        );
        assert_eq!(targets("   0x1000 <f>:\ttbz\tw8, #0, 0x1010 <f+16>\n", None), Some(vec![next, target]));
        assert_eq!(targets("=> 0x1000:\tcbnz\tw11, 0x1000\n", None), Some(vec![next, pc]));
        assert_eq!(targets("=> 0x1000 <f>:\tret\n", Some(0x77)), Some(vec![0x77]));
        for unknown in ["=> 0x1000 <f>:\tret\n", "=> 0x1000 <f>:\tblr\tx8\n", "no disassembly", ""] {
            assert_eq!(targets(unknown, None), None, "{unknown}");
        }
    }

    #[test]
    fn a_printed_value_has_a_number_before_it() {
        assert_eq!(printed("$3 = {a: 0x1, b: 0x2}\n"), Some("{a: 0x1, b: 0x2}"));
        assert_eq!(printed("a = 0x1\n"), None);
    }

    #[test]
    fn a_register_is_found_by_its_whole_name() {
        let shown = "x1             0x7                 7\ncpsr           0x60401005          [ EL=1 C Z ]\n";
        assert_eq!(register(shown, "x1"), Some(7));
        assert_eq!(register(shown, "cpsr"), Some(0x6040_1005));
        assert_eq!(register(shown, "x"), None);
    }

    #[test]
    fn words_are_read_after_the_colon() {
        let shown = "0x40005130 <X>:\t0x0000000000000001\t0x02\n0x40005140 <X+16>:\t0x03\n";
        assert_eq!(words(shown), Some(vec![1, 2, 3]));
        assert_eq!(words("Cannot access memory\n"), None);
    }

    #[test]
    fn a_backtrace_is_read_with_and_without_arguments_and_addresses() {
        let shown = "#0  a::inner (left=0x6e, right=0xa) at a.rs:51\n#1  0x0000000040002040 in a::outer () at \
                     a.rs:45\n#2  <signal handler called>\n#3  0x0000000040000124 in _start ()\n(More stack frames follow...)\n";
        assert_eq!(backtrace(shown), ["inner", "outer", "_start"]);
    }
}
