//! Convolutions of a batch of examples, each of which is a convolution of several arrays. In: the convolution, and its input or
//! its kernel or both stacked. Out: the stacked result, as one convolution wherever the number of groups can say it.

use crate::{
    graph::{Axes, Convolution, DType, Dim, DotGeneral, Expr, Gather, Shape},
    ops::rule::{BatchApplication, BatchOperand, BatchRule},
};

impl BatchRule for Convolution {
    fn batch<'g>(&self, application: &BatchApplication<'g>) -> Expr<'g> {
        let [x, kernel] = [application.operands[0], application.operands[1]];
        if let Some(poison) = x.expr().graph().refuse(&[x.expr(), kernel.expr()]) {
            return poison;
        }
        let n_examples =
            application.size.as_number().and_then(|size| usize::try_from(size).ok()).filter(|size| *size > 0);
        match (x, kernel) {
            (BatchOperand::Stacked(x), BatchOperand::Shared(kernel)) => self.batch_inputs(x, kernel, application),
            (BatchOperand::Shared(x), _) => self.batch_kernels(x, kernel.expr(), application),
            (BatchOperand::Stacked(x), BatchOperand::Stacked(kernel)) => match n_examples {
                Some(n_examples) => self.batch_both(x, kernel, n_examples, application),
                None => self.multiply_patches(x, kernel, application),
            },
        }
    }
}

impl Convolution {
    /// Inputs of all examples are so many more inputs: `[examples·batch, in, …]`.
    fn batch_inputs<'g>(&self, x: Expr<'g>, kernel: Expr<'g>, application: &BatchApplication<'g>) -> Expr<'g> {
        let shape = x.shape();
        let merged = with(&[shape[0].clone() * &shape[1]], &shape[2..]);
        let output = super::in_front(&application.size, &application.output.shape);
        x.graph().apply(self.clone(), &[x.reshape(merged), kernel]).reshape(output)
    }

    /// Kernels of all examples are so many more kernels of each group: `[groups·examples·out / groups, in / groups, …]`.
    fn batch_kernels<'g>(&self, x: Expr<'g>, kernels: Expr<'g>, application: &BatchApplication<'g>) -> Expr<'g> {
        let (shape, output, n) = (kernels.shape(), &application.output.shape, &application.size);
        let (groups, of_group) = self.kernels_of_group(&output[1]);
        let merged = groups.clone() * n * &of_group;
        let kernels = kernels
            .reshape(with(&[n.clone(), groups.clone(), of_group.clone()], &shape[2..]))
            .with_axis_moved(0, 1)
            .reshape(with(&[merged], &shape[2..]));
        x.graph()
            .apply(self.clone(), &[x, kernels])
            .reshape(with(&[output[0].clone(), groups, n.clone(), of_group], &output[2..]))
            .with_axis_moved(2, 0)
            .reshape(super::in_front(n, output))
    }

    /// Each example is so many groups of its own: `[batch, examples·in, …]` by `[examples·out, in / groups, …]`.
    fn batch_both<'g>(
        &self,
        x: Expr<'g>,
        kernels: Expr<'g>,
        n_examples: usize,
        application: &BatchApplication<'g>,
    ) -> Expr<'g> {
        let (shape, kernel, output, n) = (x.shape(), kernels.shape(), &application.output.shape, &application.size);
        let channels = x.with_axis_moved(0, 1).reshape(with(&[shape[1].clone(), shape[2].clone() * n], &shape[3..]));
        let kernels = kernels.reshape(with(&[kernel[1].clone() * n], &kernel[2..]));
        let convolution = Convolution { groups: self.groups.saturating_mul(n_examples), ..self.clone() };
        x.graph()
            .apply(convolution, &[channels, kernels])
            .reshape(with(&[output[0].clone(), n.clone(), output[1].clone()], &output[2..]))
            .with_axis_moved(1, 0)
    }

    /// A number of groups is no symbol, so where the number of examples is one, the patches that the kernel sees are
    /// written out, along one spatial axis after the other, and multiplied with it. Padding is 0 in the patches.
    fn multiply_patches<'g>(&self, x: Expr<'g>, kernels: Expr<'g>, application: &BatchApplication<'g>) -> Expr<'g> {
        let (shape, kernel, output, n) = (x.shape(), kernels.shape(), &application.output.shape, &application.size);
        let (groups, of_group) = self.kernels_of_group(&output[1]);
        let n_spatial = self.stride.len();
        let mut patches =
            x.reshape(with(&[n.clone(), shape[1].clone(), groups.clone(), kernel[2].clone()], &shape[3..]));
        for axis in 0..n_spatial {
            patches = self.patches_along(patches, axis, &output[axis + 2], &kernel[axis + 3]);
        }
        let kernels = kernels.reshape(with(&[n.clone(), groups, of_group], &kernel[2..]));
        let dot = DotGeneral {
            left_batch: Axes::from([0, 2]),
            right_batch: Axes::from([0, 1]),
            left_contract: [3].into_iter().chain((0..n_spatial).map(|axis| 2 * axis + 5)).collect(),
            right_contract: [3].into_iter().chain((0..n_spatial).map(|axis| axis + 4)).collect(),
        };
        // [examples, groups, batch, places…, out / groups]
        let order: Axes = [0, 2, 1, n_spatial + 3].into_iter().chain(3..n_spatial + 3).collect();
        let product = x.graph().apply(dot, &[patches, kernels]);
        if product.is_poisoned() { product } else { product.permute(&order).reshape(super::in_front(n, output)) }
    }

    /// The spatial axis at 2·`axis` + 4 as two: the places of the kernel, and what each of its taps sees there.
    fn patches_along<'g>(&self, x: Expr<'g>, axis: usize, n_places: &Dim, n_taps: &Dim) -> Expr<'g> {
        if x.is_poisoned() {
            return x;
        }
        let (g, shape, place) = (x.graph(), x.shape(), 2 * axis + 4);
        let number = |dim: &Dim| g.dim_size(dim.clone(), DType::I64);
        let factor = |factor: usize| g.dim_size(factor, DType::I64);
        let (size, dilation) = (number(&shape[place]), factor(self.input_dilation[axis]));
        let places = g.iota(DType::I64, (n_places.clone(), 1), 0) * factor(self.stride[axis]);
        let taps = g.iota(DType::I64, (1, n_taps.clone()), 1) * factor(self.kernel_dilation[axis]);
        let position = places + taps - number(&self.low[axis]);
        let source = position / dilation;
        let is_element = position.greater_equal(0).and((position % dilation).equal(0)).and(source.less(size));
        let index = source.maximum(0).minimum(size - 1);
        let read = g.apply(Gather { axis: place, batch: 0 }, &[x, index]);
        let after = vec![Dim::from(1); shape.rank() - place - 1];
        is_element.reshape(with(&[n_places.clone(), n_taps.clone()], &after)).select(read, 0.0)
    }

    /// The number of groups, and of kernels in each.
    fn kernels_of_group(&self, kernels: &Dim) -> (Dim, Dim) {
        let groups = Dim::from(self.groups);
        let of_group = kernels.divided_by(&groups).expect("invariant: inference asked for whole groups");
        (groups, of_group)
    }
}

fn with(outer: &[Dim], inner: &[Dim]) -> Shape {
    outer.iter().chain(inner).cloned().collect()
}
