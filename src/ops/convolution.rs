//! Convolution over any number of spatial axes. Both of its transposes are convolutions, so it is differentiated as
//! often as one likes without leaving the vocabulary.

use ndarray::{ArrayD, Dimension, IxDyn, indices};
use smallvec::SmallVec;

use super::{
    apply::MAX_ATTRIBUTE,
    congruence::{Multiples, greatest_common_divisor, pairs},
    real::{Real, Total},
    rule::{
        Application, Batching, CheckSizes, Dependence, Domain, EvaluationContext, LinearMap, Linearization, OpError,
        Rule, Traits, check_float, check_operands,
    },
    sample::{Sample, reals},
    slice::{check_count, dims},
    spatial::{Span, Taps, WindowDims, WindowError, check_fit, check_positive, extent},
};
use crate::graph::{Axes, Bindings, Convolution, Dim, Dims, Expr, GraphError, Reverse, Shape, Type, Value};

impl CheckSizes for Convolution {
    /// That the kernel lies within the padded operand.
    fn check_sizes(&self, operands: &[&[usize]], bindings: &Bindings) -> Result<(), OpError> {
        let number = |dim: &Dim| match dim.evaluate(bindings).map_err(OpError::Size)? {
            number if number.unsigned_abs() <= MAX_ATTRIBUTE => Ok(number),
            _ => Err(OpError::Size(dim.clone())),
        };
        let numbers = |dims: &Dims| dims.iter().map(number).collect::<Result<SmallVec<[i64; 4]>, OpError>>();
        Ok(self.fit(&operands[0][2..], &operands[1][2..], [&numbers(&self.low)?, &numbers(&self.high)?])?)
    }
}

impl Rule for Convolution {
    fn infer(&self, operands: &[Type]) -> Result<Type, GraphError> {
        let [x, kernel] = check_operands(operands)?;
        check_float(x)?;
        if x.dtype != kernel.dtype {
            return Err(GraphError::DTypesDiffer { left: x.dtype, right: kernel.dtype });
        }
        check_ranks(&x.shape, &kernel.shape)?;
        self.check_attributes(x.rank() - 2)?;
        self.check_channels(&x.shape, &kernel.shape)?;
        let spatial: Vec<Dim> =
            (2..x.rank()).map(|axis| self.size(axis, &x.shape[axis], &kernel.shape[axis])).collect::<Result<_, _>>()?;
        let numbers = |dims: &[Dim]| dims.iter().map(Dim::as_number).collect::<Option<Vec<i64>>>();
        let sizes = |shape: &Shape| shape[2..].iter().cloned().collect::<Shape>().as_numbers();
        if let (Some(low), Some(high), Some(x), Some(kernel)) =
            (numbers(&self.low), numbers(&self.high), sizes(&x.shape), sizes(&kernel.shape))
        {
            self.fit(&x, &kernel, [&low, &high])?;
        }
        let outer = [x.shape[0].clone(), kernel.shape[0].clone()];
        Ok(Type::new(x.dtype, outer.into_iter().chain(spatial).collect::<Shape>()))
    }

    fn traits(&self) -> Traits {
        Traits::NONE
    }

    fn domain(&self) -> Domain<'_> {
        Domain::Checked(self)
    }

    fn linearization(&self) -> Linearization<'_> {
        Linearization::Multilinear(self)
    }

    fn batching(&self) -> Batching<'_> {
        Batching::Written(self)
    }

    fn dependence(&self, operand: usize, _: &[Type]) -> Dependence {
        // An example of the batch is one of the result, and so are a kernel and its channel.
        Dependence::tied([(0, operand)].into_iter().collect())
    }

    fn evaluate<R: Real>(&self, context: &EvaluationContext<'_, R>) -> Result<Value<R>, OpError> {
        let low: Result<Vec<i64>, OpError> = self.low.iter().map(|dim| context.number(dim)).collect();
        let (low, shape) = (low?, context.shape()?);
        Ok(match (context.operands[0], context.operands[1]) {
            (Value::F32(x), Value::F32(kernel)) => Value::F32(self.correlate(x, kernel, &low, &shape)),
            (Value::F64(x), Value::F64(kernel)) => Value::F64(self.correlate(x, kernel, &low, &shape)),
            _ => unreachable!("invariant: inference refuses other dtypes"),
        })
    }

    /// 2 · batch · out · (in / groups) · the pairs of a place and a tap along each axis. What falls on padding counts too,
    /// what falls between elements that are spread does not.
    fn flops(&self, operands: &[Type], output: &Type) -> Dim {
        let kernel = &operands[1].shape;
        let pairs = (0..self.low.len()).map(|axis| self.pairs(axis, &output.shape[axis + 2], &kernel[axis + 2]));
        output.shape[0].clone() * &output.shape[1] * &kernel[1] * 2 * pairs.product::<Dim>()
    }

    fn samples() -> Vec<Sample> {
        let sample = |convolution: Convolution, x: &[usize], kernel: &[usize]| {
            Sample::smooth(convolution, [reals(x, -1.0, 1.0), reals(kernel, -0.8, 1.1)])
        };
        let line = |stride: usize, (low, high): (i64, i64), input_dilation: usize, kernel_dilation: usize, groups| {
            Convolution {
                stride: Axes::from_elem(stride, 1),
                low: dims(&[low]),
                high: dims(&[high]),
                input_dilation: Axes::from_elem(input_dilation, 1),
                kernel_dilation: Axes::from_elem(kernel_dilation, 1),
                groups,
            }
        };
        let plane = Convolution {
            stride: Axes::from([1, 2]),
            low: dims(&[1, 0]),
            high: dims(&[0, 2]),
            input_dilation: Axes::from([1, 2]),
            kernel_dilation: Axes::from([2, 1]),
            groups: 1,
        };
        vec![
            sample(line(1, (0, 0), 1, 1, 1), &[2, 3, 5], &[2, 3, 3]),
            sample(line(2, (1, 1), 1, 1, 1), &[1, 2, 6], &[1, 2, 3]),
            sample(line(3, (2, 0), 2, 1, 1), &[1, 1, 4], &[2, 1, 2]),
            sample(line(1, (1, 3), 1, 2, 1), &[2, 1, 5], &[1, 1, 3]),
            sample(line(2, (0, 1), 1, 1, 2), &[2, 4, 4], &[6, 2, 2]),
            sample(line(1, (1, 0), 3, 2, 3), &[1, 3, 2], &[3, 1, 2]),
            sample(line(2, (-1, -2), 1, 1, 1), &[1, 1, 8], &[1, 1, 2]),
            sample(line(1, (3, -1), 2, 1, 1), &[1, 1, 3], &[1, 1, 2]),
            sample(line(1, (0, 0), 1, 1, 1), &[0, 2, 3], &[1, 2, 2]),
            sample(line(1, (0, 0), 1, 1, 2), &[0, 2, 3], &[2, 1, 2]),
            sample(line(1, (0, 0), 1, 1, 1), &[1, 1, 1], &[1, 1, 1]),
            sample(plane.clone(), &[2, 2, 3, 3], &[3, 2, 2, 3]),
            sample(Convolution { groups: 2, ..plane }, &[1, 2, 3, 4], &[2, 1, 2, 2]),
        ]
    }
}

/// That the kernel has as many axes as the input, and both a batch, channels and a spatial axis.
pub(super) fn check_ranks(x: &Shape, kernel: &Shape) -> Result<(), GraphError> {
    if x.rank() < 3 {
        return Err(GraphError::Rank { expected: "at least 3".into(), found: x.clone() });
    }
    if kernel.rank() != x.rank() {
        return Err(GraphError::Rank { expected: x.rank().to_string(), found: kernel.clone() });
    }
    Ok(())
}

impl Convolution {
    fn check_attributes(&self, n_spatial: usize) -> Result<(), GraphError> {
        let steps = [
            ("stride", &self.stride),
            ("input_dilation", &self.input_dilation),
            ("kernel_dilation", &self.kernel_dilation),
        ];
        for (what, numbers) in steps {
            check_count(what, numbers.len(), n_spatial)?;
            check_positive(what, numbers)?;
        }
        check_count("low", self.low.len(), n_spatial)?;
        check_count("high", self.high.len(), n_spatial)?;
        check_positive("groups", &[self.groups])
    }

    /// That channels = groups · (channels of a kernel), and that each group has as many kernels. Both are compared as
    /// polynomials: in the transpose of the kernel, the batch stands among the channels.
    fn check_channels(&self, x: &Shape, kernel: &Shape) -> Result<(), GraphError> {
        let groups = Dim::from(self.groups);
        if x[1] == kernel[1].clone() * &groups && kernel[0].divided_by(&groups).is_some() {
            return Ok(());
        }
        Err(GraphError::Channels {
            input: x.clone(),
            kernels: kernel[0].clone(),
            kernel_channels: kernel[1].clone(),
            groups: self.groups,
        })
    }

    /// The size of one spatial axis of the output, at least 1 as far as that is known.
    fn size(&self, axis: usize, size: &Dim, kernel_size: &Dim) -> Result<Dim, GraphError> {
        let spatial = axis - 2;
        check_some("a spatial size of the input", size)?;
        check_some("a spatial size of the kernel", kernel_size)?;
        let span = Span {
            whole: extent(size, self.input_dilation[spatial]) + &self.low[spatial] + &self.high[spatial],
            window: extent(kernel_size, self.kernel_dilation[spatial]),
            stride: self.stride[spatial],
        };
        span.check_room(axis)?;
        span.places()
    }

    /// That the kernel has a place in the array; sizes and padding are those of the spatial axes.
    fn fit(&self, x: &[usize], kernel: &[usize], [low, high]: [&[i64]; 2]) -> Result<(), WindowError> {
        let way = |spatial: usize| WindowDims {
            axis: spatial + 2,
            size: x[spatial],
            spread: self.input_dilation[spatial],
            taps: kernel[spatial],
            dilation: self.kernel_dilation[spatial],
            stride: self.stride[spatial],
            low: low[spatial],
            high: high[spatial],
        };
        check_fit((0..x.len()).map(way), Taps::Data)
    }

    /// How many pairs of a place and a tap along an axis meet no zero between two elements. Where sizes are symbols, as
    /// many as if each place met the most that any does.
    fn pairs(&self, axis: usize, places: &Dim, taps: &Dim) -> Dim {
        let (dilation, stride, step) = (self.input_dilation[axis], self.stride[axis], self.kernel_dilation[axis]);
        let size = |dim: &Dim| usize::try_from(dim.as_number()?).ok();
        let (Some(n_places), Some(n_taps), Some(low)) = (size(places), size(taps), self.low[axis].as_number()) else {
            let between = (dilation / greatest_common_divisor(step, dilation)) as i64;
            return places.clone()
                * taps.as_number().map_or(taps.clone(), |taps| Dim::from((taps + between - 1) / between));
        };
        let (places, taps) = (Multiples { count: n_places, step: stride }, Multiples { count: n_taps, step });
        // A number of pairs that leaves `i64` stays too large.
        Dim::from(i64::try_from(pairs(places, taps, low.into(), dilation)).unwrap_or(i64::MAX))
    }

    fn correlate<T: Real>(&self, x: &ArrayD<T>, kernel: &ArrayD<T>, low: &[i64], shape: &[usize]) -> ArrayD<T> {
        let (channels, kernels_of_group) = (kernel.shape()[1], shape[1] / self.groups);
        ArrayD::from_shape_fn(IxDyn(shape), |place| {
            let first_channel = place[1] / kernels_of_group * channels;
            let mut total = T::Total::ZERO;
            for tap in indices(&kernel.shape()[1..]) {
                let mut source = vec![place[0], first_channel + tap[0]];
                source.extend((0..low.len()).map_while(|axis| {
                    let position = place[axis + 2] * self.stride[axis] + tap[axis + 1] * self.kernel_dilation[axis];
                    self.element_at(axis, i64::try_from(position).ok()? - low[axis], x.shape()[axis + 2])
                }));
                if source.len() < x.ndim() {
                    continue;
                }
                let mut weight = vec![place[1]];
                weight.extend(tap.slice());
                total = total.add(x[source.as_slice()].mul(kernel[weight.as_slice()]));
            }
            total.rounded()
        })
    }

    /// The element at a position of the spread input, if one is there and no zero.
    fn element_at(&self, axis: usize, position: i64, size: usize) -> Option<usize> {
        let (position, dilation) = (usize::try_from(position).ok()?, self.input_dilation[axis]);
        (position % dilation == 0 && position / dilation < size).then_some(position / dilation)
    }

    /// x̄: ȳ, spread by the stride, convolved with the flipped kernel.
    ///
    /// With i·id + low = p·s + k·kd wherever x\[i\] meets kernel\[k\] in y\[p\], and k' = K − 1 − k counting from the
    /// other end, p·s + low' = i·id + k'·kd for low' = (K − 1)·kd − low. `high` is what makes the output as long as x.
    pub(super) fn input_cotangent<'g>(&self, cotangent: Expr<'g>, x: &Shape, kernel: Expr<'g>) -> Expr<'g> {
        let (kernel_shape, places) = (kernel.shape(), cotangent.shape());
        let spread = |axis: usize| extent(&kernel_shape[axis + 2], self.kernel_dilation[axis]);
        let low: Dims = (0..self.low.len()).map(|axis| spread(axis) - 1 - &self.low[axis]).collect();
        let high = (0..self.low.len()).map(|axis| {
            let needed = extent(&x[axis + 2], self.input_dilation[axis]) - 1 + spread(axis);
            needed - extent(&places[axis + 2], self.stride[axis]) - &low[axis]
        });
        let transposed = Convolution {
            stride: self.input_dilation.clone(),
            high: high.collect(),
            low,
            input_dilation: self.stride.clone(),
            kernel_dilation: self.kernel_dilation.clone(),
            groups: self.groups,
        };
        let flipped = kernel.graph().apply(Reverse { axes: (2..x.rank()).collect() }, &[kernel]);
        kernel.graph().apply(transposed, &[cotangent, self.swap_channels(flipped)])
    }

    /// Swaps input and output channels within each group: `[O, C/g, K…]` → `[C, O/g, K…]`.
    fn swap_channels<'g>(&self, kernel: Expr<'g>) -> Expr<'g> {
        let shape = kernel.shape();
        let (channels, groups) = (shape[1].clone(), Dim::from(self.groups));
        if self.groups == 1 {
            return kernel.permute(&swapped(&[1, 0], shape.rank()));
        }
        let kernels = shape[0].divided_by(&groups).expect("invariant: inference asked for whole groups");
        let with = |outer: &[Dim]| outer.iter().chain(&shape[2..]).cloned().collect::<Shape>();
        kernel
            .reshape(with(&[groups.clone(), kernels.clone(), channels.clone()]))
            .permute(&swapped(&[0, 2, 1], shape.rank() + 1))
            .reshape(with(&[groups * channels, kernels]))
    }

    /// The kernel's cotangent: x convolved with ȳ, the sum over the batch in place of the sum over channels.
    ///
    /// w̄\[k\] = Σₚ ȳ\[p\]·x̂\[k·kd + p·s\] is a convolution with ȳ as a kernel that is spread by s and goes by steps of
    /// kd; `high` is what makes the output as long as the kernel.
    fn kernel_cotangent<'g>(&self, cotangent: Expr<'g>, x: Expr<'g>, kernel: &Shape) -> Expr<'g> {
        let (shape, places) = (x.shape(), cotangent.shape());
        let high = (0..self.low.len()).map(|axis| {
            let needed = extent(&kernel[axis + 2], self.kernel_dilation[axis]) - 1
                + extent(&places[axis + 2], self.stride[axis]);
            needed - extent(&shape[axis + 2], self.input_dilation[axis]) - &self.low[axis]
        });
        let transposed = Convolution {
            stride: self.kernel_dilation.clone(),
            low: self.low.clone(),
            high: high.collect(),
            input_dilation: self.input_dilation.clone(),
            kernel_dilation: self.stride.clone(),
            groups: self.groups,
        };
        let order = swapped(&[1, 0], shape.rank());
        let operands = [self.batch_as_channels(x, &kernel[1]), cotangent.permute(&order)];
        x.graph().apply(transposed, &operands).permute(&order)
    }

    /// Puts the batch in place of the channels of each group: `[N, C, S…]` → `[C/g, g·N, S…]`.
    fn batch_as_channels<'g>(&self, x: Expr<'g>, channels: &Dim) -> Expr<'g> {
        let shape = x.shape();
        let (batch, groups) = (shape[0].clone(), Dim::from(self.groups));
        if self.groups == 1 {
            return x.permute(&swapped(&[1, 0], shape.rank()));
        }
        let with = |outer: &[Dim]| outer.iter().chain(&shape[2..]).cloned().collect::<Shape>();
        x.reshape(with(&[batch.clone(), groups.clone(), channels.clone()]))
            .permute(&swapped(&[2, 1, 0], shape.rank() + 1))
            .reshape(with(&[channels.clone(), groups * batch]))
    }
}

/// That a size is at least 1, as far as that is known.
fn check_some(what: &'static str, size: &Dim) -> Result<(), GraphError> {
    if size.is(0) { Err(GraphError::NotPositive { what, found: size.clone() }) } else { Ok(()) }
}

/// The order that begins with `first` and leaves the rest of `rank` axes where they are.
fn swapped(first: &[usize], rank: usize) -> Axes {
    first.iter().copied().chain(first.len()..rank).collect()
}

impl LinearMap for Convolution {
    fn transpose<'g>(&self, operand: usize, cotangent: Expr<'g>, application: &Application<'g>) -> Expr<'g> {
        let (x, kernel) = (application.operands[0], application.operands[1]);
        match operand {
            0 => self.input_cotangent(cotangent, &x.shape(), kernel),
            _ => self.kernel_cotangent(cotangent, x, &kernel.shape()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{DType, Op};

    /// The definition, input by input: each element of x is scattered to the outputs that see it.
    fn scattered(convolution: &Convolution, x: &ArrayD<f64>, kernel: &ArrayD<f64>, shape: &[usize]) -> ArrayD<f64> {
        let mut sums = ArrayD::from_elem(IxDyn(shape), 0.0);
        let (channels, kernels) = (kernel.shape()[1], kernel.shape()[0] / convolution.groups);
        for (source, element) in x.indexed_iter() {
            for (weight, factor) in kernel.indexed_iter() {
                if source[1] / channels != weight[0] / kernels || source[1] % channels != weight[1] {
                    continue;
                }
                let place = (0..convolution.low.len()).map(|axis| {
                    let low = convolution.low[axis].as_number().unwrap();
                    let position = (source[axis + 2] * convolution.input_dilation[axis]) as i64 + low
                        - (weight[axis + 2] * convolution.kernel_dilation[axis]) as i64;
                    let place = usize::try_from(position).ok()?;
                    let step = convolution.stride[axis];
                    (place % step == 0 && place / step < shape[axis + 2]).then_some(place / step)
                });
                if let Some(place) = place.collect::<Option<Vec<usize>>>() {
                    let index: Vec<usize> = [source[0], weight[0]].into_iter().chain(place).collect();
                    sums[index.as_slice()] += element * factor;
                }
            }
        }
        sums
    }

    #[test]
    fn gathering_equals_scattering() {
        for sample in Convolution::samples() {
            let Op::Convolution(convolution) = &sample.op else { unreachable!() };
            let [Value::F64(x), Value::F64(kernel)] = sample.operands.as_slice() else { unreachable!() };
            let ty = convolution.infer(&[sample.operands[0].ty(), sample.operands[1].ty()]).unwrap();
            let shape = ty.shape.as_numbers().unwrap();
            let low: Vec<i64> = convolution.low.iter().map(|dim| dim.as_number().unwrap()).collect();
            let difference = convolution.correlate(x, kernel, &low, &shape) - scattered(convolution, x, kernel, &shape);
            // At most 18 products below 2, summed in another order.
            assert!(difference.iter().all(|error| error.abs() < 1e-14), "{convolution:?}");
        }
    }

    #[test]
    fn flops_of_spread_input_are_those_of_the_pairs_that_meet_an_element_or_padding() {
        for sample in Convolution::samples() {
            let Op::Convolution(convolution) = &sample.op else { unreachable!() };
            let types = [sample.operands[0].ty(), sample.operands[1].ty()];
            let output = convolution.infer(&types).unwrap();
            let shape = output.shape.as_numbers().unwrap();
            let kernel = sample.operands[1].shape();
            let mut pairs = 0;
            for place in indices(&shape[2..]) {
                for tap in indices(&kernel[2..]) {
                    let is_between = (0..shape.len() - 2).any(|axis| {
                        let position =
                            place[axis] * convolution.stride[axis] + tap[axis] * convolution.kernel_dilation[axis];
                        let position = position as i64 - convolution.low[axis].as_number().unwrap();
                        position.rem_euclid(convolution.input_dilation[axis] as i64) != 0
                    });
                    pairs += usize::from(!is_between);
                }
            }
            let expected = 2 * shape[0] * shape[1] * kernel[1] * pairs;
            assert_eq!(convolution.flops(&types, &output), Dim::from(expected), "{convolution:?}");
        }
    }

    #[test]
    fn the_gradient_of_a_strided_convolution_counts_no_more_than_that_of_one_without_stride() {
        let g = crate::graph::Graph::new();
        let (x, kernel) = (g.input("x", (8, 3, 56, 56)), g.input("kernel", (16, 3, 3, 3)));
        let flops = |stride: usize| {
            let y = x.convolve(kernel, super::super::convolve::Convolve::same().stride(stride));
            g.flops(g.gradient(y.sum(), x)).as_number().unwrap() as f64
        };
        // Exactly s·s times less but for the border.
        for (stride, least) in [(2, 3.8), (4, 14.0)] {
            assert!(flops(1) / flops(stride) > least, "{stride}: {} {}", flops(1), flops(stride));
        }
    }

    #[test]
    fn sizes_and_channels_may_be_symbols() {
        let mut convolution = Convolution {
            stride: Axes::from_elem(1, 1),
            low: dims(&[1]),
            high: dims(&[1]),
            input_dilation: Axes::from_elem(1, 1),
            kernel_dilation: Axes::from_elem(1, 1),
            groups: 2,
        };
        let ty = |shape: (Dim, Dim, Dim)| Type::new(DType::F32, shape);
        let (n, time) = (Dim::symbol("n"), Dim::symbol("time"));
        let x = ty((n.clone(), n.clone() * 2, time.clone()));
        let kernel = ty((Dim::from(4), n.clone(), Dim::from(3)));
        let output = convolution.infer(&[x.clone(), kernel.clone()]).unwrap();
        assert_eq!(output.shape, Shape::from((n, 4, time)));
        convolution.groups = 3;
        assert!(matches!(convolution.infer(&[x.clone(), kernel.clone()]), Err(GraphError::Channels { .. })));
        convolution.groups = 2;
        convolution.stride[0] = 2;
        assert!(matches!(convolution.infer(&[x, kernel]), Err(GraphError::SymbolicStride { .. })));
    }

    #[test]
    fn a_kernel_that_fits_nowhere_is_a_mistake() {
        let infer = |low: i64, x: i64, kernel: i64| {
            let convolution = Convolution {
                stride: Axes::from_elem(1, 1),
                low: dims(&[low]),
                high: dims(&[0]),
                input_dilation: Axes::from_elem(1, 1),
                kernel_dilation: Axes::from_elem(1, 1),
                groups: 1,
            };
            convolution.infer(&[Type::new(DType::F64, [1, 1, x]), Type::new(DType::F64, [1, 1, kernel])])
        };
        for (low, x, kernel, expected) in
            [(3, 0, 3, "a spatial size of the input"), (0, 2, 0, "a spatial size of the kernel")]
        {
            assert_eq!(infer(low, x, kernel), Err(GraphError::NotPositive { what: expected, found: Dim::from(0) }));
        }
        for (low, kernel) in [(0, 3), (0, 5), (-1, 2), (-4, 1)] {
            let (window, size) = (Dim::from(kernel), Dim::from(2 + low));
            assert_eq!(infer(low, 2, kernel), Err(GraphError::WindowTooLarge { axis: 2, window, size }));
        }
    }
}
