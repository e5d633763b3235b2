//! The drawing itself, by plotters. In: charts. Out: SVG text. Logarithms are taken here, so that one kind of coordinates
//! does for all.

use plotters::{
    chart::{ChartContext, SeriesLabelPosition},
    coord::Shift,
    prelude::*,
};

use super::{
    chart::{Axis, Chart, ChartLayer, Corner, Grid},
    figure::{FigureError, Picture},
    scale::AxisScale,
};

/// Black would be taken for an axis and is last.
const PALETTE: [RGBColor; 8] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(140, 120, 40),
    RGBColor(0, 0, 0),
];

pub(super) const FONT: &str = "sans-serif";
pub(super) const TEXT: i32 = 14 * SCALE;
pub(super) const TITLE: i32 = 16 * SCALE;

/// Coordinates are whole numbers: so many make a pixel, that curves are smooth.
pub(super) const SCALE: i32 = 4;

/// About as many pixels as lie between the ends of the shorter axis.
const PLOT: f64 = 300.0;

/// Letters that find room above a chart and below it, and beside it or in its legend.
const LETTERS: usize = 60;
const LETTERS_OF_Y: usize = 40;

/// Room beyond what is shown, relative to it.
const MARGIN: f64 = 0.04;

pub(super) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Context<'c, 'a> = ChartContext<'c, SVGBackend<'a>, Cartesian2d<AxisScale, AxisScale>>;
pub(super) type Drawn<'a> = Result<(), DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>>;

pub(super) fn svg(pictures: &[Picture], grid: [usize; 2], size: [u32; 2]) -> Result<String, FigureError> {
    let mut text = String::new();
    let fine = size.map(|pixels| pixels * SCALE as u32);
    {
        let area = SVGBackend::with_string(&mut text, (fine[0], fine[1])).into_drawing_area();
        let failed = |title: &str, reason: &dyn std::fmt::Display| FigureError::Draw {
            title: title.to_owned(),
            reason: reason.to_string(),
        };
        area.fill(&WHITE).map_err(|error| failed("", &error))?;
        for (picture, area) in pictures.iter().zip(area.split_evenly((grid[0], grid[1]))) {
            match picture {
                Picture::Chart(chart) => draw(chart, &area).map_err(|error| failed(&chart.title, &error))?,
                Picture::Matrix(matrix) => matrix.draw(&area).map_err(|error| failed(&matrix.title, &error))?,
            }
        }
        area.present().map_err(|error| failed("", &error))?;
    }
    let [drawn, shown] = [fine, size].map(|[width, height]| format!("width=\"{width}\" height=\"{height}\""));
    Ok(text.replacen(&drawn, &shown, 1))
}

fn draw<'a>(chart: &Chart, area: &Area<'a>) -> Drawn<'a> {
    let extent: Vec<(f64, f64)> = chart.layers.iter().flat_map(ChartLayer::extent).collect();
    let is_tight = matches!(chart.layers.first(), Some(ChartLayer::Grid(_)));
    let x = range(&chart.x, extent.iter().map(|point| point.0), is_tight);
    let y = range(&chart.y, extent.iter().map(|point| point.1), is_tight);
    let mut context = ChartBuilder::on(area)
        .caption(shortened(&chart.title, LETTERS), (FONT, TITLE))
        .margin(10 * SCALE)
        .x_label_area_size(44 * SCALE)
        .y_label_area_size(66 * SCALE)
        .build_cartesian_2d(AxisScale::new(&chart.x, x), AxisScale::new(&chart.y, y))?;
    context
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.12).stroke_width(SCALE as u32))
        .axis_style(BLACK.stroke_width(SCALE as u32))
        .set_all_tick_mark_size(5 * SCALE)
        .x_desc(shortened(&chart.x.label, LETTERS))
        .y_desc(shortened(&chart.y.label, LETTERS_OF_Y))
        .x_labels(6)
        .y_labels(6)
        .x_label_formatter(&|position| label(&chart.x, *position))
        .y_label_formatter(&|position| label(&chart.y, *position))
        .label_style((FONT, TEXT - SCALE))
        .axis_desc_style((FONT, TEXT))
        .draw()?;
    for layer in &chart.layers {
        add(chart, layer, &mut context)?;
    }
    let is_named = |layer: &ChartLayer| match layer {
        ChartLayer::Line { name, .. } | ChartLayer::Points { name, .. } => !name.is_empty(),
        _ => false,
    };
    if chart.layers.iter().any(is_named) {
        context
            .configure_series_labels()
            .position(match chart.legend {
                Corner::UpperLeft => SeriesLabelPosition::UpperLeft,
                Corner::UpperRight => SeriesLabelPosition::UpperRight,
                Corner::LowerLeft => SeriesLabelPosition::LowerLeft,
                Corner::LowerRight => SeriesLabelPosition::LowerRight,
            })
            .background_style(WHITE.mix(0.85))
            .border_style(BLACK.mix(0.25).stroke_width(SCALE as u32))
            .margin(8 * SCALE)
            .legend_area_size(24 * SCALE)
            .label_font((FONT, TEXT - SCALE))
            .draw()?;
    }
    Ok(())
}

/// A text of at most so many letters, the middle left out where there are more.
pub(super) fn shortened(text: &str, most: usize) -> String {
    let n_letters = text.chars().count();
    if n_letters <= most {
        return text.to_owned();
    }
    let (first, last) = (most / 2, most - most / 2 - 1);
    let first: String = text.chars().take(first).collect();
    let last: String = text.chars().skip(n_letters - last).collect();
    format!("{first}…{last}")
}

/// From where to where an axis goes, in positions.
fn range(axis: &Axis, numbers: impl Iterator<Item = f64>, is_tight: bool) -> (f64, f64) {
    if let Some((Some(low), Some(high))) = axis.range.map(|(low, high)| (axis.position(low), axis.position(high))) {
        return (low, high);
    }
    let of_all = |(low, high): (f64, f64), position: f64| (low.min(position), high.max(position));
    let (low, high) = numbers.filter_map(|number| axis.position(number)).fold((f64::MAX, f64::MIN), of_all);
    if low > high {
        return (0.0, 1.0);
    }
    let margin = if is_tight { 0.0 } else { (high - low) * MARGIN };
    // One number alone lies in the middle, of an axis as long as itself.
    let alone = if low == 0.0 { 1.0 } else { low.abs() };
    let margin = if high > low { margin } else { alone / 2.0 };
    (low - margin, high + margin)
}

/// A number beside a mark of an axis.
fn label(axis: &Axis, position: f64) -> String {
    if axis.is_logarithmic {
        return number(libm::pow(10.0, position));
    }
    // Steps of plotters are exact but for rounding.
    number((position * 1e9).round() / 1e9)
}

fn number(x: f64) -> String {
    if x == 0.0 {
        return "0".to_owned();
    }
    let exponent = libm::log10(x.abs()).floor();
    if (-3.0..5.0).contains(&exponent) {
        let digits = (2.0 - exponent).clamp(0.0, 4.0) as usize;
        let text = format!("{x:.digits$}");
        return if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text };
    }
    let mantissa = x / libm::pow(10.0, exponent);
    if (mantissa - 1.0).abs() < 0.05 { format!("1e{exponent}") } else { format!("{mantissa:.1}e{exponent}") }
}

/// Blue comes last on a grid whose numbers below 0 are blue.
fn colour(chart: &Chart, position: usize) -> RGBColor {
    let is_on_grid = matches!(chart.layers.first(), Some(ChartLayer::Grid(grid)) if grid.is_signed);
    PALETTE[(position + usize::from(is_on_grid)) % PALETTE.len()]
}

/// Adds one layer to a chart.
fn add<'a>(chart: &Chart, layer: &ChartLayer, context: &mut Context<'_, 'a>) -> Drawn<'a> {
    let pixel = |point: &(f64, f64)| Some((chart.x.position(point.0)?, chart.y.position(point.1)?));
    match layer {
        ChartLayer::Line { name, points, colour: position, is_dashed } => {
            let colour = colour(chart, *position);
            let points: Vec<(f64, f64)> = points.iter().filter_map(pixel).collect();
            let style = colour.stroke_width(2 * SCALE as u32);
            let series = if *is_dashed {
                context.draw_series(DashedLineSeries::new(points, 6 * SCALE as u32, 4 * SCALE as u32, style))?
            } else {
                context.draw_series(LineSeries::new(points, style))?
            };
            if !name.is_empty() {
                let width = SCALE * if *is_dashed { 8 } else { 18 };
                series.label(shortened(name, LETTERS_OF_Y)).legend(move |(x, y)| {
                    PathElement::new([(x, y), (x + width, y)], colour.stroke_width(2 * SCALE as u32))
                });
            }
        }
        ChartLayer::Points { name, points, colour: position } => {
            let colour = colour(chart, *position);
            let marks = points.iter().filter_map(pixel).map(|point| Circle::new(point, 3 * SCALE, colour.filled()));
            let series = context.draw_series(marks)?;
            if !name.is_empty() {
                series
                    .label(shortened(name, LETTERS_OF_Y))
                    .legend(move |(x, y)| Circle::new((x + 9 * SCALE, y), 3 * SCALE, colour.filled()));
            }
        }
        ChartLayer::Band { points, colour: position } => {
            let edge = |x: &f64, y: &f64| pixel(&(*x, *y));
            let upper = points.iter().filter_map(|(x, _, high)| edge(x, high));
            let lower = points.iter().rev().filter_map(|(x, low, _)| edge(x, low));
            let outline: Vec<(f64, f64)> = upper.chain(lower).collect();
            context.draw_series([Polygon::new(outline, colour(chart, *position).mix(0.2))])?;
        }
        ChartLayer::ErrorBars { points, colour: position } => {
            let style = colour(chart, *position).stroke_width(SCALE as u32);
            let bars = points.iter().filter_map(|(x, low, high)| {
                let ends = [pixel(&(*x, *low))?, pixel(&(*x, *high))?];
                Some(PathElement::new(ends, style))
            });
            context.draw_series(bars)?;
        }
        ChartLayer::Bars { bars, colour: position } => {
            let colour = colour(chart, *position);
            let bars = bars.iter().filter_map(|(low, high, height)| {
                let corners = [pixel(&(*low, 0.0))?, pixel(&(*high, *height))?];
                Some(Rectangle::new(corners, colour.mix(0.7).filled()))
            });
            context.draw_series(bars)?;
        }
        ChartLayer::Grid(grid) => _ = context.draw_series(cells(chart, grid))?,
    }
    Ok(())
}

/// A rectangle for each run of cells of a row that have one colour.
fn cells<'g>(chart: &'g Chart, grid: &'g Grid) -> impl Iterator<Item = Rectangle<(f64, f64)>> + 'g {
    let [rows, columns] = grid.size;
    let step = |range: [f64; 2], n: usize| (range[1] - range[0]) / (n.max(2) - 1) as f64;
    let (dx, dy) = (step(grid.x, columns), step(grid.y, rows));
    (0..rows).flat_map(move |row| {
        let level = move |column: usize| level(grid, grid.values[row * columns + column]);
        let is_start = move |column: &usize| *column == 0 || level(*column) != level(*column - 1);
        (0..columns).filter(is_start).filter_map(move |first| {
            let last = (first..columns).take_while(|column| level(*column) == level(first)).last()?;
            let corner = |column: usize, side: f64, height: f64| {
                let x = grid.x[0] + dx * (column as f64 + side);
                let y = grid.y[0] + dy * (row as f64 + height);
                Some((chart.x.position(x)?, chart.y.position(y)?))
            };
            // A pixel over the row below and the cell before, or hairlines of the ground would show between them.
            let overlap = |position: usize, n: usize| if position == 0 { -0.5 } else { -0.5 - n as f64 / PLOT };
            let corners = [corner(first, overlap(first, columns), overlap(row, rows))?, corner(last, 0.5, 0.5)?];
            Some(Rectangle::new(corners, shade(grid, level(first)).filled()))
        })
    })
}

/// How many levels a number has reached; none for what is no number.
fn level(grid: &Grid, value: f64) -> Option<usize> {
    (!value.is_nan()).then(|| grid.levels.iter().filter(|level| value >= **level).count())
}

fn shade(grid: &Grid, level: Option<usize>) -> RGBColor {
    let Some(level) = level else { return RGBColor(200, 200, 200) };
    let mix = |from: [f64; 3], to: [f64; 3], part: f64| {
        let channel = |i: usize| (from[i] + (to[i] - from[i]) * part).round().clamp(0.0, 255.0) as u8;
        RGBColor(channel(0), channel(1), channel(2))
    };
    const WHITE: [f64; 3] = [247.0, 247.0, 247.0];
    const BLUE: [f64; 3] = [33.0, 102.0, 172.0];
    const RED: [f64; 3] = [178.0, 24.0, 43.0];
    const DARK: [f64; 3] = [135.0, 135.0, 135.0];
    const LIGHT: [f64; 3] = [250.0, 250.0, 250.0];
    let n = grid.levels.len();
    if !grid.is_signed {
        return mix(DARK, LIGHT, level as f64 / n.max(1) as f64);
    }
    let n_below = grid.levels.iter().filter(|level| **level <= 0.0).count();
    if level < n_below {
        mix(WHITE, BLUE, (n_below - level) as f64 / n_below as f64)
    } else {
        mix(WHITE, RED, (level - n_below + 1) as f64 / (n - n_below + 1) as f64)
    }
}
