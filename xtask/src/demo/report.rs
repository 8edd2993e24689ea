//! What a session has shown: a table, a transcript, and the first difference if there is one.

use std::fmt;

/// The outcome of a session.
pub(crate) struct Report {
    /// One row for each step that was begun.
    pub(crate) rows: Vec<Row>,
    /// Steps in the script.
    pub(crate) steps: usize,
    /// The session as a user would have seen it. What must differ from run to run (the server's address, numbers
    /// of threads, where Ctrl-C hits) is left out, so that two transcripts may be compared.
    pub(crate) transcript: String,
    /// Where the session stopped being as expected.
    pub(crate) difference: Option<Difference>,
}

/// What one step has shown.
pub(crate) struct Row {
    /// The step's number, from 1.
    pub(crate) number: usize,
    /// What it is for.
    pub(crate) title: &'static str,
    /// What was seen.
    pub(crate) seen: String,
}

/// The first answer that was not as expected.
pub(crate) struct Difference {
    /// The step's number, from 1.
    pub(crate) step: usize,
    /// What the step is for.
    pub(crate) title: &'static str,
    /// The command.
    pub(crate) command: String,
    /// What it must answer.
    pub(crate) expected: String,
    /// What it answered.
    pub(crate) seen: String,
}

impl Report {
    /// Whether the whole script went as expected.
    pub(crate) fn passed(&self) -> bool {
        self.difference.is_none()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.rows.iter().map(|row| row.title.chars().count()).max().unwrap_or(0);
        for Row { number, title, seen } in &self.rows {
            writeln!(f, "{number:>2}  {title:<width$}  {seen}")?;
        }
        match &self.difference {
            None => write!(f, "{} steps, all as expected", self.steps),
            Some(difference) => write!(f, "{difference}"),
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "difference in step {}, {}:", self.step, self.title)?;
        writeln!(f, "  command   {}", self.command)?;
        writeln!(f, "  expected  {}", self.expected)?;
        write!(f, "  seen      {}", self.seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_aligned_and_ends_with_the_difference() {
        let rows = vec![
            Row { number: 1, title: "connect", seen: "yes".into() },
            Row { number: 2, title: "watch × 2", seen: "no".into() },
        ];
        let difference = Difference {
            step: 2,
            title: "watch × 2",
            command: "continue".into(),
            expected: "0x1".into(),
            seen: "0x2".into(),
        };
        let mut report = Report { rows, steps: 9, transcript: String::new(), difference: Some(difference) };
        assert_eq!(
            report.to_string(),
            " 1  connect    yes\n 2  watch × 2  no\ndifference in step 2, watch × 2:\n  command   continue\n  \
             expected  0x1\n  seen      0x2"
        );
        assert!(!report.passed());
        report.difference = None;
        assert!(report.passed());
        assert!(report.to_string().ends_with("9 steps, all as expected"));
    }
}
