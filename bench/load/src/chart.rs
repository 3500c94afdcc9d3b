//! Decides what the image of the report looks like: a horizontal bar for each system, as long as its CPU time for a
//! call is a multiple of plain Envoy's.
//!
//! Drawn by hand, because it is a few rectangles and texts: no library makes it shorter.
//!
//! Does not decide what is in it.

use std::fmt::Write;

/// A bar.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Bar {
    /// Name of the system.
    pub(crate) name: String,
    /// Its median, as a multiple of the base.
    pub(crate) median: f64,
    /// Where half of its rounds lie.
    pub(crate) half: (f64, f64),
    /// Its CPU time in microseconds.
    pub(crate) cpu_us: f64,
    /// Which colour it has.
    pub(crate) tone: Tone,
}

/// The colour of a bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// What others are compared with.
    Base,
    /// Farebox.
    Ours,
    /// Everything else.
    Other,
}

const WIDTH: f64 = 860.0;
const LEFT: f64 = 150.0;
const RIGHT: f64 = 130.0;
const TOP: f64 = 76.0;
const ROW: f64 = 30.0;
const BAR: f64 = 18.0;
const BELOW: f64 = 56.0;

/// The image, as SVG.
pub(crate) fn draw(title: &str, subtitle: &str, axis: &str, bars: &[Bar]) -> String {
    let longest = bars.iter().map(|bar| bar.median.max(bar.half.1)).fold(1.0, f64::max);
    let step = step(longest);
    let end = (longest / step).ceil() * step;
    let across = |value: f64| LEFT + (WIDTH - LEFT - RIGHT) * (value / end).clamp(0.0, 1.0);
    let bottom = TOP + ROW * bars.len() as f64;
    let height = bottom + BELOW;
    let mut svg = format!(
        concat!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w} {h}" width="{w}" height="{h}" "#,
            r#"font-family="system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif" role="img">"#,
            "\n<title>{title}</title>\n",
            r##"<rect width="{w}" height="{h}" fill="#ffffff"/>"##,
            "\n",
            r##"<text x="20" y="32" font-size="17" font-weight="600" fill="#1c2733">{title}</text>"##,
            "\n",
            r##"<text x="20" y="53" font-size="12.5" fill="#5b6875">{subtitle}</text>"##,
            "\n",
        ),
        w = WIDTH,
        h = height,
        title = escaped(title),
        subtitle = escaped(subtitle),
    );
    let mut tick = 0.0;
    while tick <= end + step / 2.0 {
        let x = across(tick);
        let _ = writeln!(
            svg,
            concat!(
                r##"<line x1="{x:.1}" y1="{top}" x2="{x:.1}" y2="{bottom}" stroke="#e3e8ed"/>"##,
                r##"<text x="{x:.1}" y="{label}" font-size="12" fill="#5b6875" text-anchor="middle">{tick}</text>"##
            ),
            x = x,
            top = TOP - 4.0,
            bottom = bottom,
            label = bottom + 18.0,
            tick = (tick * 100.0).round() / 100.0,
        );
        tick += step;
    }
    for (row, bar) in bars.iter().enumerate() {
        let _ = writeln!(svg, "{}", one(bar, TOP + ROW * row as f64, &across));
    }
    let one = across(1.0);
    let _ = writeln!(
        svg,
        concat!(
            r##"<line x1="{x:.1}" y1="{top}" x2="{x:.1}" y2="{bottom}" stroke="#1c2733" stroke-dasharray="4 3"/>"##,
            "\n",
            r##"<text x="{middle:.1}" y="{label}" font-size="12.5" fill="#1c2733" text-anchor="middle">{axis}</text>"##,
            "\n</svg>"
        ),
        x = one,
        top = TOP - 8.0,
        bottom = bottom,
        middle = f64::midpoint(LEFT, WIDTH - RIGHT),
        label = bottom + 42.0,
        axis = escaped(axis),
    );
    svg
}

fn one(bar: &Bar, top: f64, across: &impl Fn(f64) -> f64) -> String {
    let colour = match bar.tone {
        Tone::Base => "#8796a5",
        Tone::Ours => "#0b7a75",
        Tone::Other => "#c5ced6",
    };
    let (from, to) = (across(bar.half.0), across(bar.half.1));
    let middle = top + ROW / 2.0;
    format!(
        concat!(
            r##"<text x="{name_x}" y="{text_y:.1}" font-size="13" fill="#1c2733" text-anchor="end">{name}</text>"##,
            r##"<rect x="{left}" y="{bar_y:.1}" width="{width:.1}" height="{bar}" rx="2" fill="{colour}"/>"##,
            r##"<path d="M{from:.1} {middle:.1}H{to:.1}M{from:.1} {high:.1}v8M{to:.1} {high:.1}v8" stroke="#1c2733" stroke-opacity="0.55" fill="none"/>"##,
            r##"<text x="{after:.1}" y="{text_y:.1}" font-size="12.5" fill="#1c2733">{median:.2} ×"##,
            r##"<tspan dx="7" fill="#5b6875">{cpu:.0} µs</tspan></text>"##,
        ),
        name_x = LEFT - 10.0,
        text_y = middle + 4.5,
        name = escaped(&bar.name),
        left = LEFT,
        bar_y = middle - BAR / 2.0,
        width = across(bar.median) - LEFT,
        bar = BAR,
        colour = colour,
        from = from,
        to = to,
        middle = middle,
        high = middle - 4.0,
        after = across(bar.median.max(bar.half.1)) + 8.0,
        median = bar.median,
        cpu = bar.cpu_us,
    )
}

/// A round number that divides an axis into no more than ten parts.
fn step(longest: f64) -> f64 {
    let least = longest / 10.0;
    let power = 10_f64.powf(least.log10().floor());
    [1.0, 2.0, 2.5, 5.0, 10.0].iter().map(|digit| digit * power).find(|step| *step >= least).unwrap_or(least)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(name: &str, median: f64) -> Bar {
        Bar { name: name.into(), median, half: (median * 0.9, median * 1.1), cpu_us: 50.0, tone: Tone::Other }
    }

    #[test]
    fn an_axis_has_round_steps_and_not_too_many() {
        for (longest, expected) in
            [(1.0, 0.1), (1.2, 0.2), (2.3, 0.25), (3.3, 0.5), (9.0, 1.0), (40.0, 5.0), (180.0, 20.0)]
        {
            let step = step(longest);
            assert!((step - expected).abs() < 1e-9, "{longest}: {step}");
        }
    }

    #[test]
    fn bars_are_as_long_as_their_medians_and_stay_inside() {
        let svg = draw("T & U", "s", "a", &[bar("one", 1.0), bar("four", 4.0)]);
        assert!(svg.contains("T &amp; U") && svg.ends_with("</svg>\n"));
        let widths: Vec<f64> = svg
            .split("rx=\"2\"")
            .filter_map(|part| part.rsplit_once("width=\"")?.1.split('"').next()?.parse().ok())
            .take(2)
            .collect();
        let [one, four] = widths.as_slice() else { panic!("{widths:?}") };
        assert!((four / one - 4.0).abs() < 0.01, "{widths:?}");
        assert!(*four < WIDTH - LEFT - RIGHT);
    }
}
