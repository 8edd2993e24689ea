//! What was measured.

use anyhow::{Context as _, Result};
use serde_json::Value;

/// Whose measurement it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Who {
    /// A bare loop of ioctls.
    Limit,
    /// This project.
    Ours,
    /// QEMU.
    Peer,
}

/// All measurements of one kind.
#[derive(Debug)]
pub(super) struct Measure {
    pub(super) name: String,
    pub(super) unit: String,
    limit: Vec<f64>,
    ours: Vec<f64>,
    peer: Vec<f64>,
}

impl Measure {
    /// What one of them measured, a value a round.
    pub(super) fn of(&self, who: Who) -> &[f64] {
        match who {
            Who::Limit => &self.limit,
            Who::Ours => &self.ours,
            Who::Peer => &self.peer,
        }
    }

    /// Whether less is better.
    pub(super) fn is_a_cost(&self) -> bool {
        self.unit != "/s"
    }
}

/// The measurements, in the order in which they were first made.
#[derive(Debug, Default)]
pub(super) struct Samples(pub(super) Vec<Measure>);

impl Samples {
    /// Takes a line of the program that measures; whether it is a measurement.
    pub(super) fn take(&mut self, line: &str) -> Result<bool> {
        let Some(rest) = line.strip_prefix("sample\t") else { return Ok(false) };
        let mut fields = rest.trim_end().split('\t');
        let mut field = || fields.next().with_context(|| format!("{line:?} lacks a field"));
        let (name, who, value, unit) = (field()?, field()?, field()?, field()?);
        let value: f64 = value.parse().with_context(|| format!("{value:?} is no number"))?;
        let index = self.0.iter().position(|measure| measure.name == name).unwrap_or_else(|| {
            let (name, unit) = (name.to_owned(), unit.to_owned());
            self.0.push(Measure { name, unit, limit: Vec::new(), ours: Vec::new(), peer: Vec::new() });
            self.0.len() - 1
        });
        let measure = self.0.get_mut(index).context("a measure is gone")?;
        match who {
            "limit" => measure.limit.push(value),
            "ours" => measure.ours.push(value),
            "peer" => measure.peer.push(value),
            other => anyhow::bail!("nobody is called {other}"),
        }
        Ok(true)
    }
}

impl Samples {
    /// Adds what an earlier run has measured, of [`super::report::Report::json`].
    pub(super) fn add_json(&mut self, run: &Value) -> Result<()> {
        for measure in run["measures"].as_array().context("there are none")? {
            let text = |field: &str| measure[field].as_str().with_context(|| format!("{field} is no text"));
            let (name, unit) = (text("measure")?, text("unit")?);
            for who in ["limit", "ours", "peer"] {
                for value in measure[who].as_array().with_context(|| format!("{who} is no list"))? {
                    let value = value.as_f64().with_context(|| format!("{value} is no number"))?;
                    self.take(&format!("sample\t{name}\t{who}\t{value}\t{unit}"))?;
                }
            }
        }
        Ok(())
    }
}

/// Median, least and largest of some values.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Spread {
    pub(super) median: f64,
    pub(super) least: f64,
    pub(super) largest: f64,
}

impl Spread {
    /// Of values; none of no values.
    pub(super) fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (least, largest) = (*sorted.first()?, *sorted.last()?);
        let middle = sorted.len() / 2;
        let upper = *sorted.get(middle)?;
        let lower = *sorted.get(sorted.len().div_ceil(2) - 1)?;
        Some(Self { median: (lower + upper) / 2.0, least, largest })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::report::Report;

    #[test]
    fn lines_become_measures_in_their_order() {
        let mut samples = Samples::default();
        assert!(!samples.take("round 1 of 3").expect("no measurement"));
        for line in
            ["sample\tstep\tours\t10.5\t/s", "sample\tstop\tpeer\t3\tms", "sample\tstep\tours\t12\t/s"]
        {
            assert!(samples.take(line).expect("a measurement"));
        }
        let names: Vec<_> = samples.0.iter().map(|measure| measure.name.as_str()).collect();
        assert_eq!(names, ["step", "stop"]);
        assert_eq!(samples.0.first().map(|step| step.of(Who::Ours)), Some(&[10.5, 12.0][..]));
        assert!(samples.take("sample\tstep\tours").is_err());
        assert!(samples.take("sample\tstep\tsomebody\t1\t/s").is_err());
    }

    #[test]
    fn an_earlier_runs_measurements_are_read_back() {
        let mut samples = Samples::default();
        for line in
            ["sample\tstep\tours\t10.5\t/s", "sample\tstep\tpeer\t0.25\t/s", "sample\tstop\tours\t3\tms"]
        {
            samples.take(line).expect("a measurement");
        }
        let json = Report::of(&samples).json(&samples);
        let mut read = Samples::default();
        read.add_json(&json).expect("measurements");
        assert_eq!(Report::of(&read).json(&read), json);
        assert!(read.add_json(&Value::Null).is_err());
    }

    #[test]
    fn the_median_is_the_middle_or_between_the_two() {
        let median = |values: &[f64]| Spread::of(values).map(|spread| spread.median);
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0]), Some(3.0));
        assert_eq!(median(&[9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 9.0]), Some(3.0));
    }
}
