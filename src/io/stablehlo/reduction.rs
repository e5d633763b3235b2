//! Reductions, orders, running sums and windows. In: operands and attributes. Out: lines of the text.

use super::{
    lower::Lowering,
    writer::{Line, Tensor, TensorType, Writer, integers},
};
use crate::graph::{
    CumulativeSum, DType, Literal, Rank, Ranking, Reduce, Reduction, ScanDirection, Window, WindowReduction,
};

/// Which of two numbers comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extreme {
    Greatest,
    Least,
}

/// On which end NaN is in an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NanPlace {
    First,
    Last,
}

/// How two runs of tensors become one, in order.
type Combine<'c> = &'c dyn Fn(&mut Writer, &[Tensor], &[Tensor]) -> Vec<Tensor>;

impl Lowering<'_> {
    pub(super) fn reduce(&mut self, reduce: &Reduce, x: &Tensor, ty: &TensorType) -> Tensor {
        let scalar = x.ty.with_sizes([]);
        let (word, first) = match reduce.kind {
            Reduction::Sum => ("stablehlo.add", self.writer.number(0.0, scalar)),
            Reduction::Product => ("stablehlo.multiply", self.writer.number(1.0, scalar)),
            Reduction::Max => ("stablehlo.maximum", self.worst(Extreme::Greatest, scalar)),
            Reduction::Min => ("stablehlo.minimum", self.worst(Extreme::Least, scalar)),
        };
        let region = self.fold(word, &first.ty);
        let operands = [x.clone(), first];
        let attributes = format!("dimensions = {}", integers(&reduce.axes));
        let line = Line::new("stablehlo.reduce", &operands).attributes(attributes).regions([region]);
        self.writer.one(line, ty.clone())
    }

    /// The region that applies an operation to two scalars.
    fn fold(&mut self, word: &str, scalar: &TensorType) -> String {
        self.writer.scalars(&[scalar.clone(), scalar.clone()], |writer, numbers| vec![writer.same(word, numbers)])
    }

    /// The number to which every other one is preferred.
    fn worst(&mut self, extreme: Extreme, ty: TensorType) -> Tensor {
        let sign = if extreme == Extreme::Greatest { -1.0 } else { 1.0 };
        let literal = match (ty == ty.of(DType::I64), extreme) {
            (true, Extreme::Greatest) => Literal::Integer(i64::MIN),
            (true, Extreme::Least) => Literal::Integer(i64::MAX),
            (false, _) => Literal::Number(sign * f64::INFINITY),
        };
        self.writer.constant(&literal, ty)
    }

    pub(super) fn rank(&mut self, rank: &Rank, x: &Tensor, ty: &TensorType) -> Tensor {
        let positions = self.writer.iota(rank.axis, x.ty.of(DType::I64));
        let pair = [x.clone(), positions];
        match rank.kind {
            Ranking::ArgMax => self.position(&pair, (rank.axis, Extreme::Greatest), ty),
            Ranking::ArgMin => self.position(&pair, (rank.axis, Extreme::Least), ty),
            Ranking::ArgSort => self.argsort(&pair, rank.axis),
            Ranking::CumulativeArgMax => self.running_position(&pair, rank.axis, Extreme::Greatest),
            Ranking::CumulativeArgMin => self.running_position(&pair, rank.axis, Extreme::Least),
        }
    }

    /// Numbers and their positions where nothing is: behind all others.
    fn nothing(&mut self, x: &Tensor, extreme: Extreme) -> [Tensor; 2] {
        let scalar = x.ty.with_sizes([]);
        [self.worst(extreme, scalar), self.writer.integer(i64::MAX, [])]
    }

    /// The region that keeps the better of two numbers with its position.
    fn contest(&mut self, x: &Tensor, extreme: Extreme) -> String {
        let (number, position) = (x.ty.with_sizes([]), TensorType::new(DType::I64, []));
        let arguments = [number.clone(), position.clone(), number, position];
        self.writer.scalars(&arguments, |writer, numbers| better(writer, extreme, &numbers[..2], &numbers[2..]))
    }

    fn position(&mut self, pair: &[Tensor; 2], (axis, extreme): (usize, Extreme), ty: &TensorType) -> Tensor {
        let nothing = self.nothing(&pair[0], extreme);
        let region = self.contest(&pair[0], extreme);
        let operands = [pair.as_slice(), &nothing].concat();
        let line = Line::new("stablehlo.reduce", &operands)
            .attributes(format!("dimensions = {}", integers([axis])))
            .regions([region]);
        let types = vec![pair[0].ty.with_sizes(ty.sizes.clone()), ty.clone()];
        self.writer.line(line, types).swap_remove(1)
    }

    fn running_position(&mut self, pair: &[Tensor; 2], axis: usize, extreme: Extreme) -> Tensor {
        let nothing = self.nothing(&pair[0], extreme);
        let combine = |writer: &mut Writer, before: &[Tensor], after: &[Tensor]| better(writer, extreme, before, after);
        self.prefixes((pair.to_vec(), &nothing), (axis, ScanDirection::Forward), &combine).swap_remove(1)
    }

    fn argsort(&mut self, pair: &[Tensor; 2], axis: usize) -> Tensor {
        let (number, position) = (pair[0].ty.with_sizes([]), TensorType::new(DType::I64, []));
        let region = self.writer.scalars(&[number.clone(), number, position.clone(), position], |writer, numbers| {
            vec![precedes(writer, (Extreme::Least, NanPlace::Last), &numbers[0], &numbers[1])]
        });
        let line = Line::new("stablehlo.sort", pair)
            .attributes(format!("dimension = {axis} : i64, is_stable = true"))
            .regions([region]);
        let types = pair.iter().map(|tensor| tensor.ty.clone()).collect();
        self.writer.line(line, types).swap_remove(1)
    }

    pub(super) fn cumulative_sum(&mut self, sum: &CumulativeSum, x: &Tensor) -> Tensor {
        let zero = self.writer.number(0.0, x.ty.with_sizes([]));
        let combine = |writer: &mut Writer, before: &[Tensor], after: &[Tensor]| {
            vec![writer.same("stablehlo.add", &[before[0].clone(), after[0].clone()])]
        };
        self.prefixes((vec![x.clone()], &[zero]), (sum.axis, sum.direction), &combine).swap_remove(0)
    }

    /// What is combined of all elements up to each, by runs that double: Hillis and Steele, "Data parallel algorithms", 1986.
    fn prefixes(
        &mut self,
        (mut runs, nothing): (Vec<Tensor>, &[Tensor]),
        (axis, direction): (usize, ScanDirection),
        combine: Combine<'_>,
    ) -> Vec<Tensor> {
        let (rank, size) = (runs[0].rank(), runs[0].sizes()[axis]);
        let mut shift = 1;
        while shift < size {
            let (mut low, mut high) = (vec![0; rank], vec![0; rank]);
            let shift_number = shift as i64;
            (low[axis], high[axis]) = match direction {
                ScanDirection::Forward => (shift_number, -shift_number),
                ScanDirection::Backward => (-shift_number, shift_number),
            };
            let interior = vec![0; rank];
            let moved = |lowering: &mut Self, (run, filling): (&Tensor, &Tensor)| {
                lowering.padded(run, filling, (&low, &high, &interior), &run.ty)
            };
            let before: Vec<Tensor> = runs.iter().zip(nothing).map(|pair| moved(self, pair)).collect();
            runs = combine(&mut self.writer, &before, &runs);
            shift *= 2;
        }
        runs
    }

    pub(super) fn window(&mut self, window: &Window, x: &Tensor, ty: &TensorType) -> Tensor {
        if x.rank() == 0 {
            return if window.kind == WindowReduction::ArgMax { self.writer.integer(0, []) } else { x.clone() };
        }
        let scalar = x.ty.with_sizes([]);
        let (operands, region, types) = match window.kind {
            WindowReduction::Sum => {
                let zero = self.writer.number(0.0, scalar.clone());
                (vec![x.clone(), zero], self.fold("stablehlo.add", &scalar), vec![ty.clone()])
            }
            WindowReduction::Max => {
                let least = self.worst(Extreme::Greatest, scalar.clone());
                (vec![x.clone(), least], self.fold("stablehlo.maximum", &scalar), vec![ty.clone()])
            }
            WindowReduction::ArgMax => {
                let n = x.sizes().iter().product::<usize>();
                let positions = self.writer.iota(0, TensorType::new(DType::I64, [n]));
                let positions = self.writer.reshaped(&positions, x.sizes());
                let nothing = self.nothing(x, Extreme::Greatest);
                let operands = [&[x.clone(), positions], nothing.as_slice()].concat();
                (operands, self.contest(x, Extreme::Greatest), vec![x.ty.with_sizes(ty.sizes.clone()), ty.clone()])
            }
        };
        let line = Line::new("stablehlo.reduce_window", &operands).attributes(places(window)).regions([region]);
        let mut results = self.writer.line(line, types);
        results.pop().expect("invariant: a window has a result")
    }
}

/// Where windows lie.
fn places(window: &Window) -> String {
    let padding: Vec<String> =
        window.low.iter().zip(window.high.iter()).map(|(low, high)| format!("[{low}, {high}]")).collect();
    format!(
        "window_dimensions = {}, window_strides = {}, base_dilations = {}, window_dilations = {}, padding = dense<[{}]> : \
         tensor<{}x2xi64>",
        integers(&window.size),
        integers(&window.stride),
        integers(window.size.iter().map(|_| 1)),
        integers(&window.dilation),
        padding.join(", "),
        padding.len(),
    )
}

/// Whether a comes before b.
fn precedes(writer: &mut Writer, (extreme, nan_place): (Extreme, NanPlace), a: &Tensor, b: &Tensor) -> Tensor {
    let direction = match extreme {
        Extreme::Greatest => "GT",
        Extreme::Least => "LT",
    };
    let is_before = writer.compare(direction, a, b);
    if !a.dtype().is_float() {
        return is_before;
    }
    let (number, nan) = match nan_place {
        NanPlace::First => (b, a),
        NanPlace::Last => (a, b),
    };
    let is_number = writer.compare("EQ", number, number);
    let is_nan = writer.compare("NE", nan, nan);
    let is_beside_nan = writer.same("stablehlo.and", &[is_number, is_nan]);
    writer.same("stablehlo.or", &[is_before, is_beside_nan])
}

/// The better of two pairs of numbers and positions: NaN before all numbers, and the lower position of equal ones.
fn better(writer: &mut Writer, extreme: Extreme, one: &[Tensor], other: &[Tensor]) -> Vec<Tensor> {
    let is_better = precedes(writer, (extreme, NanPlace::First), &one[0], &other[0]);
    let is_worse = precedes(writer, (extreme, NanPlace::First), &other[0], &one[0]);
    let is_tied = writer.same("stablehlo.or", &[is_better.clone(), is_worse]);
    let is_tied = writer.same("stablehlo.not", &[is_tied]);
    let is_first = writer.compare("LE", &one[1], &other[1]);
    let is_first = writer.same("stablehlo.and", &[is_tied, is_first]);
    let wins = writer.same("stablehlo.or", &[is_better, is_first]);
    one.iter().zip(other).map(|(one, other)| writer.select(&wins, one, other)).collect()
}
