//! What a chart shows. In: points, bands, marks and grids of numbers with names. Out: a [`Chart`], which draws nothing
//! itself.

use super::figure::FigureError;

/// Positions beyond are not shown: their differences may not be finite.
const FARTHEST: f64 = 1e300;

/// One axis of a chart.
///
/// # Example
/// ```
/// use pullback::view::Axis;
/// let time = Axis::new("time (µs)").logarithmic().range(1.0, 1000.0);
/// ```
#[derive(Debug, Clone)]
pub struct Axis {
    pub(super) label: String,
    pub(super) is_logarithmic: bool,
    pub(super) is_whole: bool,
    pub(super) range: Option<(f64, f64)>,
}

impl Axis {
    /// An axis as long as what is shown, named `label`, with its unit in brackets.
    pub fn new(label: impl Into<String>) -> Axis {
        Axis { label: label.into(), is_logarithmic: false, is_whole: false, range: None }
    }

    /// By powers of ten. Numbers that are not positive are left out.
    pub fn logarithmic(self) -> Axis {
        Axis { is_logarithmic: true, ..self }
    }

    /// With marks at whole numbers only: epochs, steps, counts.
    pub fn whole(self) -> Axis {
        Axis { is_whole: true, ..self }
    }

    /// By powers of ten where all these numbers are positive and the greatest is at least 100 times the least, as losses of a long
    /// training are.
    pub(super) fn logarithmic_if_wide(self, numbers: impl IntoIterator<Item = f64>) -> Axis {
        let finite = numbers.into_iter().filter(|number| number.is_finite());
        let (low, high) = finite.fold((f64::MAX, f64::MIN), |(low, high), x| (low.min(x), high.max(x)));
        if low > 0.0 && high >= 100.0 * low { self.logarithmic() } else { self }
    }

    /// From `low` to `high`.
    pub fn range(self, low: f64, high: f64) -> Axis {
        Axis { range: Some((low, high)), ..self }
    }

    /// Where a number lies; none for what cannot be shown.
    pub(super) fn position(&self, number: f64) -> Option<f64> {
        let position = if self.is_logarithmic { libm::log10(number) } else { number };
        (position.abs() <= FARTHEST).then_some(position)
    }
}

/// Where the names of what is shown stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Corner {
    /// Above, on the left.
    UpperLeft,
    /// Above, on the right.
    UpperRight,
    /// Below, on the left.
    LowerLeft,
    /// Below, on the right.
    LowerRight,
}

/// Numbers over a rectangle, as colours in steps: between steps lies a contour.
#[derive(Debug, Clone)]
pub struct Grid {
    /// Numbers, the first row at the bottom, as many as rows times columns.
    pub values: Vec<f64>,
    /// Rows and columns.
    pub size: [usize; 2],
    /// From left to right: the middle of the first and of the last column.
    pub x: [f64; 2],
    /// From the bottom up: the middle of the first and of the last row.
    pub y: [f64; 2],
    /// Where colours change, in ascending order.
    pub levels: Vec<f64>,
    /// Whether 0 is the middle of the colours, blue below and red above; dark grey to white otherwise.
    pub is_signed: bool,
}

#[derive(Debug, Clone)]
pub(super) enum ChartLayer {
    Line { name: String, points: Vec<(f64, f64)>, colour: usize, is_dashed: bool },
    Points { name: String, points: Vec<(f64, f64)>, colour: usize },
    Band { points: Vec<(f64, f64, f64)>, colour: usize },
    ErrorBars { points: Vec<(f64, f64, f64)>, colour: usize },
    Bars { bars: Vec<(f64, f64, f64)>, colour: usize },
    Grid(Grid),
}

/// A picture with two axes. What is added later lies above; each named layer takes the next colour of a palette that
/// colour-blind readers can tell apart, and a band, bars, or a layer with an empty name take that of the layer before.
///
/// # Source
/// Colours: Okabe and Ito, *Color universal design*, 2008.
///
/// # Example
/// ```
/// use pullback::view::{Axis, Chart};
/// let chart = Chart::new("two curves", Axis::new("x"), Axis::new("y"))
///     .line("x²", (0..10).map(|x| (f64::from(x), f64::from(x * x))))
///     .dashed("2x", [(0.0, 0.0), (9.0, 18.0)]);
/// assert!(chart.to_svg()?.starts_with("<svg"));
/// # Ok::<(), pullback::view::FigureError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Chart {
    pub(super) title: String,
    pub(super) x: Axis,
    pub(super) y: Axis,
    pub(super) layers: Vec<ChartLayer>,
    pub(super) legend: Corner,
    n_named: usize,
}

impl Chart {
    /// A chart with nothing in it yet.
    pub fn new(title: impl Into<String>, x: Axis, y: Axis) -> Chart {
        Chart { title: title.into(), x, y, layers: Vec::new(), legend: Corner::UpperRight, n_named: 0 }
    }

    /// With names in another corner than the upper right one.
    pub fn legend(self, legend: Corner) -> Chart {
        Chart { legend, ..self }
    }

    /// With a line through points, in the next colour.
    pub fn line(self, name: impl Into<String>, points: impl IntoIterator<Item = (f64, f64)>) -> Chart {
        let (name, points) = (name.into(), points.into_iter().collect());
        self.next(name, |name, colour| ChartLayer::Line { name, points, colour, is_dashed: false })
    }

    /// With a dashed line through points, in the next colour: what is expected beside what is found.
    pub fn dashed(self, name: impl Into<String>, points: impl IntoIterator<Item = (f64, f64)>) -> Chart {
        let (name, points) = (name.into(), points.into_iter().collect());
        self.next(name, |name, colour| ChartLayer::Line { name, points, colour, is_dashed: true })
    }

    /// With a mark at each point, in the next colour.
    pub fn points(self, name: impl Into<String>, points: impl IntoIterator<Item = (f64, f64)>) -> Chart {
        let (name, points) = (name.into(), points.into_iter().collect());
        self.next(name, |name, colour| ChartLayer::Points { name, points, colour })
    }

    /// With a shade from low to high at each (x, low, high), in the colour of the layer before.
    pub fn band(self, points: impl IntoIterator<Item = (f64, f64, f64)>) -> Chart {
        let points = points.into_iter().collect();
        self.unnamed(|colour| ChartLayer::Band { points, colour })
    }

    /// With a bar from low to high at each (x, low, high), in the colour of the layer before.
    pub fn error_bars(self, points: impl IntoIterator<Item = (f64, f64, f64)>) -> Chart {
        let points = points.into_iter().collect();
        self.unnamed(|colour| ChartLayer::ErrorBars { points, colour })
    }

    /// With a bar from 0 up to the height of each (low, high, height), between low and high along x, in the next colour.
    pub fn bars(mut self, bars: impl IntoIterator<Item = (f64, f64, f64)>) -> Chart {
        let bars = bars.into_iter().collect();
        self.n_named += 1;
        self.unnamed(|colour| ChartLayer::Bars { bars, colour })
    }

    /// With the colours of a grid.
    pub fn grid(mut self, grid: Grid) -> Chart {
        self.layers.push(ChartLayer::Grid(grid));
        self
    }

    /// That grids and axes are what they say.
    pub(super) fn check(&self) -> Result<(), FigureError> {
        for axis in [&self.x, &self.y] {
            let Some((low, high)) = axis.range else { continue };
            let positions = axis.position(low).zip(axis.position(high));
            if !positions.is_some_and(|(low, high)| low < high) {
                let (title, label) = (self.title.clone(), axis.label.clone());
                return Err(FigureError::Range { title, label, low, high });
            }
        }
        for layer in &self.layers {
            let ChartLayer::Grid(Grid { values, size: [rows, columns], .. }) = layer else { continue };
            if values.len() != rows * columns {
                let (title, found) = (self.title.clone(), values.len());
                return Err(FigureError::Grid { title, rows: *rows, columns: *columns, found });
            }
        }
        Ok(())
    }

    fn next(mut self, name: String, layer: impl FnOnce(String, usize) -> ChartLayer) -> Chart {
        self.n_named += usize::from(!name.is_empty());
        self.unnamed(|colour| layer(name, colour))
    }

    fn unnamed(mut self, layer: impl FnOnce(usize) -> ChartLayer) -> Chart {
        self.layers.push(layer(self.n_named.saturating_sub(1)));
        self
    }
}

impl ChartLayer {
    /// All that it shows, as (x, y).
    pub(super) fn extent(&self) -> Vec<(f64, f64)> {
        match self {
            ChartLayer::Line { points, .. } | ChartLayer::Points { points, .. } => points.clone(),
            ChartLayer::Band { points, .. } | ChartLayer::ErrorBars { points, .. } => {
                points.iter().flat_map(|(x, low, high)| [(*x, *low), (*x, *high)]).collect()
            }
            ChartLayer::Bars { bars, .. } => {
                bars.iter().flat_map(|(low, high, height)| [(*low, 0.0), (*high, *height)]).collect()
            }
            ChartLayer::Grid(grid) => {
                let half = |range: [f64; 2], n: usize| (range[1] - range[0]) / (n.max(2) - 1) as f64 / 2.0;
                let (dx, dy) = (half(grid.x, grid.size[1]), half(grid.y, grid.size[0]));
                vec![(grid.x[0] - dx, grid.y[0] - dy), (grid.x[1] + dx, grid.y[1] + dy)]
            }
        }
    }
}
