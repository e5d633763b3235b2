//! The four functions of wrenfold's benchmark (`scripts/` of wrenfold/wrenfold-benchmarks, by Gareth Cross) as graphs: differences and
//! interpolation of rotations, integration of inertial measurements, and a camera with a rolling shutter. Each gives its values and
//! Jacobians; a rotation is moved by a rotation vector that is applied on its right, as there.

use std::error::Error;

use pullback::{DType, Expr, Graph, Program};

/// An angle or a sine at most this large is taken for 0, and linearized functions are used.
const SMALL: f64 = 1e-16;

type Vector<'g> = [Expr<'g>; 3];

/// w, x, y and z.
#[derive(Clone, Copy)]
struct Quaternion<'g>([Expr<'g>; 4]);

/// What a Jacobian is taken by.
#[derive(Clone, Copy)]
enum Variable<'g> {
    Rotation(Quaternion<'g>),
    Vector(Vector<'g>),
}

impl<'g> Quaternion<'g> {
    /// An argument, of which w is the last.
    fn input(g: &'g Graph, name: &str) -> Quaternion<'g> {
        let [x, y, z, w] = elements(g, name);
        Quaternion([w, x, y, z])
    }

    fn conjugate(self) -> Quaternion<'g> {
        let Quaternion([w, x, y, z]) = self;
        Quaternion([w, -x, -y, -z])
    }

    fn times(self, other: Quaternion<'g>) -> Quaternion<'g> {
        let (Quaternion([aw, ax, ay, az]), Quaternion([bw, bx, by, bz])) = (self, other);
        Quaternion([
            aw * bw - ax * bx - ay * by - az * bz,
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by + ay * bw + az * bx - ax * bz,
            aw * bz + az * bw + ax * by - ay * bx,
        ])
    }

    fn normalized(self) -> Quaternion<'g> {
        let length = dot(self.0, self.0).sqrt();
        Quaternion(self.0.map(|element| element / length))
    }

    /// The rotation by a vector along its axis, as long as its angle.
    fn exp(v: Vector<'g>) -> Quaternion<'g> {
        let square = dot(v, v);
        let angle = square.sqrt();
        let (half, is_large) = (0.5 * angle, angle.greater(SMALL));
        let length = (1.0 + 0.25 * square).sqrt();
        let w = of_one_number(square, is_large.select(half.cos(), 1.0 / length));
        let scale = of_one_number(square, is_large.select(half.sin() / angle, 0.5 / length));
        let [x, y, z] = scaled(v, scale);
        Quaternion([w, x, y, z])
    }

    /// The rotation vector, by the arccosine of |w|.
    fn log(self) -> Vector<'g> {
        let Quaternion([w, x, y, z]) = self;
        let one = w.ones_like();
        let sign = w.less(0.0).select(-one, one);
        let cosine = w * sign;
        let cosine = cosine.greater(1.0).select(one, cosine);
        let sine = (1.0 - cosine * cosine).sqrt();
        let scale = sign * sine.greater(SMALL).select(2.0 * cosine.acos() / sine, 2.0);
        scaled([x, y, z], of_one_number(w, scale))
    }

    /// The matrix of the rotation, by rows.
    fn matrix(self) -> [Vector<'g>; 3] {
        let Quaternion([w, x, y, z]) = self;
        let (wx, wy, wz, xx, xy, xz, yy, yz, zz) = (w * x, w * y, w * z, x * x, x * y, x * z, y * y, y * z, z * z);
        [
            [1.0 - 2.0 * (yy + zz), 2.0 * (xy - wz), 2.0 * (xz + wy)],
            [2.0 * (xy + wz), 1.0 - 2.0 * (xx + zz), 2.0 * (yz - wx)],
            [2.0 * (xz - wy), 2.0 * (yz + wx), 1.0 - 2.0 * (xx + yy)],
        ]
    }

    fn rotated(self, v: Vector<'g>) -> Vector<'g> {
        self.matrix().map(|row| dot(row, v))
    }

    /// Twice how it moves in each of its own three directions; and half of the rows of the derivative of the rotation vector from this
    /// rotation to one near it.
    fn directions(self) -> [[Expr<'g>; 4]; 3] {
        let Quaternion([w, x, y, z]) = self;
        [[-x, w, z, -y], [-y, -z, w, x], [-z, y, -x, w]]
    }
}

impl<'g> Variable<'g> {
    fn nodes(self) -> Vec<Expr<'g>> {
        match self {
            Variable::Rotation(Quaternion(elements)) => elements.to_vec(),
            Variable::Vector(elements) => elements.to_vec(),
        }
    }

    /// The nodes and how they move in each of the three directions, but for a factor.
    fn tangents(self) -> ([Vec<(Expr<'g>, Expr<'g>)>; 3], f64) {
        match self {
            Variable::Vector(elements) => (elements.map(|element| vec![(element, element.ones_like())]), 1.0),
            Variable::Rotation(rotation) => {
                (rotation.directions().map(|direction| rotation.0.into_iter().zip(direction).collect()), 0.5)
            }
        }
    }

    /// The derivatives by the three directions in which it is moved, of those by its nodes.
    fn by_directions(self, slopes: &[Expr<'g>]) -> Vector<'g> {
        match self {
            Variable::Vector(_) => [slopes[0], slopes[1], slopes[2]],
            Variable::Rotation(rotation) => {
                let slopes = [slopes[0], slopes[1], slopes[2], slopes[3]];
                rotation.directions().map(|direction| 0.5 * dot(slopes, direction))
            }
        }
    }
}

/// The elements of an argument.
fn elements<'g, const N: usize>(g: &'g Graph, name: &str) -> [Expr<'g>; N] {
    let array = g.input_of(DType::F64, name, (N,));
    std::array::from_fn(|position| array.slice(position as i64))
}

fn dot<'g, const N: usize>(a: [Expr<'g>; N], b: [Expr<'g>; N]) -> Expr<'g> {
    (1..N).fold(a[0] * b[0], |sum, position| sum + a[position] * b[position])
}

/// A function of one number, whose derivative is one number too: computed once, whatever is differentiated through it.
fn of_one_number<'g>(x: Expr<'g>, value: Expr<'g>) -> Expr<'g> {
    let g = x.graph();
    let slope = g.gradient(value, x);
    g.with_derivative(x, value, |_, _, tangent| slope * tangent)
}

fn plus<'g>(a: Vector<'g>, b: Vector<'g>) -> Vector<'g> {
    [0, 1, 2].map(|axis| a[axis] + b[axis])
}

fn minus<'g>(a: Vector<'g>, b: Vector<'g>) -> Vector<'g> {
    [0, 1, 2].map(|axis| a[axis] - b[axis])
}

fn scaled<'g>(v: Vector<'g>, factor: Expr<'g>) -> Vector<'g> {
    v.map(|element| element * factor)
}

/// The rows of a Jacobian for each variable.
fn jacobians<'g>(g: &'g Graph, values: &[Expr<'g>], by: &[Variable<'g>]) -> Vec<Vec<Vector<'g>>> {
    let nodes: Vec<Expr<'g>> = by.iter().flat_map(|variable| variable.nodes()).collect();
    let mut found = vec![Vec::new(); by.len()];
    for value in values {
        let slopes = g.gradients(*value, &nodes);
        let mut rest = slopes.as_slice();
        for (rows, variable) in found.iter_mut().zip(by) {
            let (own, others) = rest.split_at(variable.nodes().len());
            rows.push(variable.by_directions(own));
            rest = others;
        }
    }
    found
}

/// The same by forward mode, which leaves out what a direction does not move.
fn jacobians_by_columns<'g>(g: &'g Graph, values: &[Expr<'g>], by: &[Variable<'g>]) -> Vec<Vec<Vector<'g>>> {
    let block = |variable: &Variable<'g>| {
        let (tangents, factor) = variable.tangents();
        values.iter().map(|value| tangents.each_ref().map(|tangent| factor * g.jvp(*value, tangent))).collect()
    };
    by.iter().map(block).collect()
}

/// Functions whose derivatives are the rows of the Jacobian of a rotation as it moves in its own directions.
fn moves<'g>(rotation: Quaternion<'g>) -> [Expr<'g>; 3] {
    rotation.directions().map(|row| 2.0 * dot(row.map(|element| element.stop_gradient()), rotation.0))
}

fn joined<'g>(elements: &[Expr<'g>]) -> Expr<'g> {
    elements[0].stack(elements[1..].iter().copied(), 0)
}

fn rows<'g>(rows: &[Vector<'g>]) -> Expr<'g> {
    joined(&rows.concat())
}

/// With w last, as arguments are.
fn xyzw(Quaternion([w, x, y, z]): Quaternion<'_>) -> Expr<'_> {
    joined(&[x, y, z, w])
}

/// The rotation vector between two rotations, by both.
pub(crate) fn quaternion_difference() -> Result<Program, Box<dyn Error>> {
    let g = Graph::new();
    let [q0, q1] = ["q0", "q1"].map(|name| Quaternion::input(&g, name));
    let out = q0.conjugate().times(q1).log();
    let found = jacobians_by_columns(&g, &out, &[Variable::Rotation(q0), Variable::Rotation(q1)]);
    Ok(g.compile([("out", joined(&out)), ("d0", rows(&found[0])), ("d1", rows(&found[1]))])?)
}

/// A rotation between two others, by both.
pub(crate) fn quaternion_interpolation() -> Result<Program, Box<dyn Error>> {
    let g = Graph::new();
    let [q0, q1] = ["q0", "q1"].map(|name| Quaternion::input(&g, name));
    let alpha = g.input_of(DType::F64, "alpha", ());
    let whole = q0.conjugate().times(q1).log();
    let out = q0.times(Quaternion::exp(scaled(whole, alpha)));
    let found = jacobians_by_columns(&g, &moves(out), &[Variable::Rotation(q0), Variable::Rotation(q1)]);
    Ok(g.compile([("out", xyzw(out)), ("d0", rows(&found[0])), ("d1", rows(&found[1]))])?)
}

/// Rotation, position and velocity after a step with a measured rate and acceleration, by those before it, by the measurements and by
/// their biases.
pub(crate) fn imu_integration() -> Result<Program, Box<dyn Error>> {
    let g = Graph::new();
    let rotation = Quaternion::input(&g, "rotation");
    let [position, velocity] = ["position", "velocity"].map(|name| elements(&g, name));
    let biases = ["gyro_bias", "accelerometer_bias"].map(|name| elements(&g, name));
    let [rate, acceleration] = ["rate", "acceleration"].map(|name| elements(&g, name));
    let dt = g.input_of(DType::F64, "dt", ());

    let turned = rotation.times(Quaternion::exp(scaled(minus(rate, biases[0]), dt)));
    let acceleration_outside = rotation.rotated(minus(acceleration, biases[1]));
    let half_square = dt.abs() * dt * 0.5;
    let moved = plus(plus(position, scaled(velocity, dt)), scaled(acceleration_outside, half_square));
    let faster = plus(velocity, scaled(acceleration_outside, dt));

    let values = [moves(turned), moved, faster].concat();
    let [before, measured] = [
        vec![Variable::Rotation(rotation), Variable::Vector(position), Variable::Vector(velocity)],
        vec![Variable::Vector(rate), Variable::Vector(acceleration)],
    ]
    .map(|variables| {
        let blocks = jacobians_by_columns(&g, &values, &variables);
        let row = |row: usize| blocks.iter().map(move |block| block[row]).collect::<Vec<_>>();
        (0..values.len()).flat_map(row).collect::<Vec<_>>()
    });
    let by_biases: Vec<Vector> = measured.iter().map(|row| row.map(|element| -element)).collect();
    Ok(g.compile([
        ("turned", xyzw(turned.normalized())),
        ("moved", joined(&moved)),
        ("faster", joined(&faster)),
        ("by_state", rows(&before)),
        ("by_measurements", rows(&measured)),
        ("by_biases", rows(&by_biases)),
    ])?)
}

/// Where a point appears in a camera that moves while its rows are read, one after another; by poses, velocities and the point.
pub(crate) fn rolling_shutter_camera() -> Result<Program, Box<dyn Error>> {
    let g = Graph::new();
    let imu = Quaternion::input(&g, "imu_rotation");
    let imu_position = elements(&g, "imu_position");
    let mount = Quaternion::input(&g, "camera_rotation");
    let mount_position = elements(&g, "camera_position");
    let [rate, velocity, point] = ["rate", "velocity", "point"].map(|name| elements(&g, name));
    let time = g.input_of(DType::F64, "time", ());
    let camera = elements(&g, "camera");

    let imu_then = imu.times(Quaternion::exp(scaled(rate, time)));
    let position_then = plus(imu_position, scaled(velocity, time));
    let camera_position = plus(position_then, imu_then.rotated(mount_position));
    let seen = imu_then.times(mount).conjugate().rotated(minus(point, camera_position));
    let image = projected(seen, camera);

    let by = [
        ("by_imu_rotation", Variable::Rotation(imu)),
        ("by_imu_position", Variable::Vector(imu_position)),
        ("by_camera_rotation", Variable::Rotation(mount)),
        ("by_camera_position", Variable::Vector(mount_position)),
        ("by_rate", Variable::Vector(rate)),
        ("by_velocity", Variable::Vector(velocity)),
        ("by_point", Variable::Vector(point)),
    ];
    let found = jacobians(&g, &image, &by.map(|(_, variable)| variable));
    let blocks = by.iter().zip(&found).map(|((name, _), block)| (*name, rows(block)));
    Ok(g.compile([("image", joined(&image))].into_iter().chain(blocks).collect::<Vec<_>>())?)
}

/// A pinhole with three radial and two tangential coefficients of distortion.
fn projected<'g>([x, y, z]: Vector<'g>, camera: [Expr<'g>; 9]) -> [Expr<'g>; 2] {
    let [fx, fy, cx, cy, k1, k2, k3, p1, p2] = camera;
    let (x, y) = (x / z, y / z);
    let square = x * x + y * y;
    let radial = 1.0 + k1 * square + k2 * square.powi(2) + k3 * square.powi(3);
    let distorted_x = radial * x + 2.0 * p1 * x * y + p2 * (square + 2.0 * x * x);
    let distorted_y = radial * y + 2.0 * p1 * (square + 2.0 * y * y) + p2 * x * y;
    [distorted_x * fx + cx, distorted_y * fy + cy]
}
