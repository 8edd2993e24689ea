//! The ratios as a picture: bars on a logarithmic scale, in SVG.

use std::fmt::Write as _;

use super::report::{Comparison, Report};

const WIDTH: f64 = 900.0;
const LEFT: f64 = 300.0;
const BAR: f64 = 16.0;
const LINE: f64 = 24.0;
const TOP: f64 = 60.0;
/// The scale's ends, as powers of ten.
const DECADES: (f64, f64) = (-1.0, 4.0);

/// The picture of a report: a bar for each ratio, and its spread.
pub(super) fn of(report: &Report) -> String {
    let bars: Vec<(&str, &str, &Comparison)> = report
        .0
        .iter()
        .flat_map(|row| {
            let limit = row.limit.as_ref().map(|limit| (row.name.as_str(), "#7a8794", limit));
            let peer = row.peer.as_ref().map(|peer| (row.name.as_str(), "#2f6db5", peer));
            limit.into_iter().chain(peer)
        })
        .collect();
    let height = TOP + LINE * bars.len() as f64 + 30.0;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"10\" y=\"22\" font-size=\"15\">How many times as fast as QEMU (blue) and as the bare ioctl loop \
         (grey)</text>\n"
    );
    for decade in DECADES.0 as i32..=DECADES.1 as i32 {
        let (x, value) = (position(10_f64.powi(decade)), 10_f64.powi(decade));
        // Writing into a string cannot fail.
        let _ = writeln!(
            text,
            "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{:.1}\" y2=\"{:.1}\" stroke=\"#ccc\"/>\
             <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"#555\">{value}</text>",
            TOP - 8.0,
            height - 24.0,
            TOP - 14.0
        );
    }
    for (number, (name, colour, comparison)) in bars.iter().enumerate() {
        let y = TOP + LINE * number as f64;
        let (from, ratio) = (position(1.0), comparison.ratio);
        let to = position(ratio.median);
        let middle = y + BAR / 2.0;
        let _ = writeln!(
            text,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{name}</text>\
             <rect x=\"{:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{BAR}\" fill=\"{colour}\"/>\
             <line x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{middle:.1}\" y2=\"{middle:.1}\" stroke=\"black\"/>",
            LEFT - 8.0,
            y + 12.0,
            from.min(to),
            (to - from).abs().max(1.0),
            position(ratio.least),
            position(ratio.largest)
        );
    }
    text.push_str("</svg>\n");
    text
}

/// Where a ratio is on the scale.
fn position(ratio: f64) -> f64 {
    let (least, most) = DECADES;
    let place = (ratio.max(f64::MIN_POSITIVE).log10().clamp(least, most) - least) / (most - least);
    LEFT + place * (WIDTH - LEFT - 20.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_is_logarithmic_and_ends() {
        assert_eq!(position(0.1), LEFT);
        assert_eq!(position(0.0), LEFT);
        assert_eq!(position(1e4), WIDTH - 20.0);
        assert_eq!(position(1e9), WIDTH - 20.0);
        let decade = position(10.0) - position(1.0);
        assert!((position(100.0) - position(10.0) - decade).abs() < 1e-9);
    }
}
