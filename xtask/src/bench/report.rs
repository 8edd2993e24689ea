//! From measurements to ratios, and how they are told.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::samples::{Measure, Samples, Spread, Who};

/// What is to be reached: a measure, compared with whom, and the ratio.
const AIMS: [(&str, Who, f64); 12] = [
    ("range step, run", Who::Limit, 0.90),
    ("range step, stepped", Who::Limit, 0.90),
    ("condition false", Who::Limit, 0.5),
    ("save and restore of a vCPU", Who::Limit, 0.95),
    ("step", Who::Peer, 40.0),
    ("step and g", Who::Peer, 25.0),
    ("hardware breakpoint, as gdb does it", Who::Peer, 20.0),
    ("software breakpoint, as gdb does it", Who::Peer, 20.0),
    ("condition false", Who::Peer, 200.0),
    ("gdb: condition false", Who::Peer, 200.0),
    ("memory read, MiB", Who::Peer, 2.0),
    ("stop of 8 vCPUs", Who::Peer, 1.0),
];

/// Where the part of the page begins that is written by hand, and stays.
pub(super) const BY_HAND: &str = "\n## Where the time goes\n";

/// What the numbers mean, for docs/.
const NOTES: &str = "
## What the numbers mean

- *step*: `vCont;s` alone, or with what a client asks next. *as gdb does it*: at each hit the breakpoint is taken out,
  stepped over, put in again, and the guest continues. *continue only*: the server steps over it by itself.
- *range step, run*: a loop of two instructions, which runs to breakpoints on its exits; *stepped*: one with system
  instructions in between, which does not. The limit of both steps each instruction. QEMU steps through no ranges: its
  client steps, and reads the registers after each.
- *condition false*: evaluated in the engine; by QEMU's client, which reads the registers, steps over it and continues.
  The limit reads one register, steps over the breakpoint and runs on.
- *gdb*: Debian's gdb for arm64 on the same host, timed by its own `maint time`, most of which is what gdb itself does
  between packets. It sends conditions to a server that takes them.
- *save and restore*: the limit issues the same ioctls on the same vCPU.
- *step, for a client that never sleeps*: the same client, looking out for answers all the time. The limit of both, of
  *step and g* and of the hardware breakpoint is a server that never sleeps and has nothing but what KVM must do for a
  packet, `KVM_RUN` and the breakpoint in and out, before an answer as long as ours.
- Some instructions are carried out without entering the guest, half of those that *step* steps, and two of four of *range
  step, stepped*: a step may take less than the limit's.
- *range step, stepped, PC read*: the same range, beside a loop that reads PC after each step, without which nobody knows
  where the range ends.
- An ioctl count has two more for each counter that is set back after a stop of over a millisecond.
";

/// One measure, compared.
pub(super) struct Row {
    pub(super) name: String,
    pub(super) unit: String,
    pub(super) ours: Spread,
    pub(super) limit: Option<Comparison>,
    pub(super) peer: Option<Comparison>,
}

/// This project beside somebody else.
pub(super) struct Comparison {
    /// What the other one measured.
    pub(super) other: Spread,
    /// How many times as good this project is, round by round.
    pub(super) ratio: Spread,
    /// What it is to be at the least.
    pub(super) aim: Option<f64>,
}

/// All measures, compared.
pub(super) struct Report(pub(super) Vec<Row>);

impl Report {
    pub(super) fn of(samples: &Samples) -> Self {
        let row = |measure: &Measure| {
            let ours = Spread::of(measure.of(Who::Ours))?;
            let compare = |who| Comparison::of(measure, who);
            let (name, unit) = (measure.name.clone(), measure.unit.clone());
            Some(Row { name, unit, ours, limit: compare(Who::Limit), peer: compare(Who::Peer) })
        };
        Self(samples.0.iter().filter_map(row).collect())
    }

    /// For a terminal.
    pub(super) fn table(&self) -> String {
        let mut text = format!("{:46} {:>12} {:>28} {:>28}\n", "", "ours", "of the limit", "times QEMU");
        for row in &self.0 {
            let compared = |comparison: &Option<Comparison>| {
                comparison.as_ref().map_or(String::new(), Comparison::words)
            };
            let ours = number(row.ours.median);
            // Writing into a string cannot fail.
            let _ = writeln!(
                text,
                "{:46} {ours:>6} {:5} {:>28} {:>28}",
                row.name,
                row.unit,
                compared(&row.limit),
                compared(&row.peer)
            );
        }
        text
    }

    /// For docs/, with the end of the page as it was, which is written `by_hand`.
    pub(super) fn page(&self, by_hand: &str) -> String {
        let mut text = "# Benchmarks\n\n\
            What `cargo xtask bench --peer qemu --docs` measured: this project, QEMU with `-accel kvm` (the \
            peer), and bare\nloops of `KVM_RUN` (the limit), in rounds of one run on one emulated arm64 host, \
            with the same guest and the same\nclient over loopback. Absolute numbers are the emulator's; the \
            ratios count: the median of the rounds, and in\nbrackets the least and the largest.\n\n\
            ![The ratios](benchmarks.svg)\n\n\
            | measure | ours | the limit | ratio | QEMU | ratio |\n|---|--:|--:|--:|--:|--:|\n"
            .to_owned();
        for row in &self.0 {
            let other = |comparison: &Option<Comparison>| {
                comparison.as_ref().map_or((String::new(), String::new()), |comparison| {
                    (number(comparison.other.median), comparison.words())
                })
            };
            let ((limit, of_limit), (peer, of_peer)) = (other(&row.limit), other(&row.peer));
            let (ours, unit) = (number(row.ours.median), row.unit.replace("ioctls", ""));
            let unit = if unit == "/s" { unit } else { format!(" {unit}") };
            let _ = writeln!(
                text,
                "| {} | {ours}{} | {limit} | {of_limit} | {peer} | {of_peer} |",
                row.name,
                unit.trim_end()
            );
        }
        text.push_str("\n## What is not reached\n\n");
        let missed: Vec<_> = self.0.iter().flat_map(Row::missed).collect();
        match missed.as_slice() {
            [] => text.push_str("Every aim is reached.\n"),
            missed => text.extend(missed.iter().map(|missed| format!("- {missed}\n"))),
        }
        text.push_str(NOTES);
        text.push_str(by_hand);
        text
    }

    /// For other programs.
    pub(super) fn json(&self, samples: &Samples) -> Value {
        let spread = |spread: &Spread| json!({"median": spread.median, "least": spread.least, "largest": spread.largest});
        let compared = |comparison: &Option<Comparison>| {
            comparison.as_ref().map(|comparison| {
                let reached = comparison.aim.map(|aim| comparison.ratio.median >= aim);
                json!({"ratio": spread(&comparison.ratio), "aim": comparison.aim, "reached": reached})
            })
        };
        let rows = self.0.iter().zip(samples.0.iter().filter(|measure| !measure.of(Who::Ours).is_empty()));
        let measures: Vec<Value> = rows
            .map(|(row, measure)| {
                json!({
                    "measure": row.name,
                    "unit": row.unit,
                    "ours": measure.of(Who::Ours),
                    "limit": measure.of(Who::Limit),
                    "peer": measure.of(Who::Peer),
                    "against_limit": compared(&row.limit),
                    "against_peer": compared(&row.peer),
                })
            })
            .collect();
        json!({"measures": measures})
    }
}

impl Row {
    /// What it is to be and is not.
    fn missed(&self) -> impl Iterator<Item = String> {
        let missed = |comparison: &Option<Comparison>, unit: &str| {
            let Comparison { ratio, aim, .. } = comparison.as_ref()?;
            let aim = aim.filter(|aim| ratio.median < *aim)?;
            Some(format!("{}: {} {unit}; the aim is {aim}", self.name, number(ratio.median)))
        };
        let missed = [missed(&self.limit, "of the limit"), missed(&self.peer, "times QEMU")];
        missed.into_iter().flatten()
    }
}

impl Comparison {
    fn of(measure: &Measure, who: Who) -> Option<Self> {
        let (ours, theirs) = (measure.of(Who::Ours), measure.of(who));
        let ratios = ours
            .iter()
            .zip(theirs)
            .map(|(ours, theirs)| if measure.is_a_cost() { theirs / ours } else { ours / theirs });
        let ratios: Vec<_> = ratios.collect();
        let aim = AIMS.iter().find(|(name, whom, _)| *name == measure.name && *whom == who);
        Some(Self { other: Spread::of(theirs)?, ratio: Spread::of(&ratios)?, aim: aim.map(|(.., aim)| *aim) })
    }

    /// Ratio, spread, and whether the aim is reached.
    fn words(&self) -> String {
        let Spread { median, least, largest } = self.ratio;
        let aim = match self.aim {
            Some(aim) if median >= aim => format!(" ≥ {aim}"),
            Some(aim) => format!(" < {aim}"),
            None => String::new(),
        };
        format!("{} [{}, {}]{aim}", number(median), number(least), number(largest))
    }
}

/// A number with three digits that count.
fn number(value: f64) -> String {
    let decimals = match value {
        value if value >= 100.0 => 0,
        value if value >= 10.0 => 1,
        _ => 2,
    };
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(lines: &[&str]) -> Report {
        let mut samples = Samples::default();
        for line in lines {
            assert!(samples.take(line).expect("a measurement"));
        }
        Report::of(&samples)
    }

    #[test]
    fn ratios_are_those_of_a_round_and_the_aim_is_named() {
        let report = report(&[
            "sample\tstep\tours\t4000\t/s",
            "sample\tstep\tpeer\t80\t/s",
            "sample\tstep\tours\t3000\t/s",
            "sample\tstep\tpeer\t75\t/s",
        ]);
        let row = report.0.first().expect("a row");
        let peer = row.peer.as_ref().expect("a comparison");
        assert_eq!((peer.ratio.least, peer.ratio.largest), (40.0, 50.0));
        assert_eq!(peer.words(), "45.0 [40.0, 50.0] ≥ 40");
        assert!(row.limit.is_none());
    }

    #[test]
    fn of_a_cost_less_is_better() {
        let report =
            report(&["sample\tstop of 8 vCPUs\tours\t4\tms", "sample\tstop of 8 vCPUs\tpeer\t2\tms"]);
        let peer = report.0.first().and_then(|row| row.peer.as_ref()).expect("a comparison");
        assert_eq!(peer.words(), "0.50 [0.50, 0.50] < 1");
    }
}
