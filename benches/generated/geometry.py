"""The functions of geometry.rs by wrenfold and by CasADi, with the same branches; after wrenfold's own benchmark."""
import casadi as ca
from wrenfold import sym
from wrenfold.code_generation import OptimizationParams, OutputArg
from wrenfold.geometry import Quaternion
from wrenfold.type_annotations import FloatScalar, Vector3, Vector4, Vector9

SMALL = 1e-16
SIZES = {
    "quat_local_coords": {"q0": 4, "q1": 4},
    "quat_interpolation": {"q0": 4, "q1": 4, "alpha": 1},
    "imu_integration": {
        "rotation": 4, "position": 3, "velocity": 3, "gyro_bias": 3, "accelerometer_bias": 3, "rate": 3, "acceleration": 3, "dt": 1,
    },
    "rolling_shutter_camera": {
        "imu_rotation": 4, "imu_position": 3, "camera_rotation": 4, "camera_position": 3, "rate": 3, "velocity": 3, "point": 3,
        "time": 1, "camera": 9,
    },
}


class Wrenfold:
    """wrenfold's expressions and quaternions."""

    @staticmethod
    def rotation(xyzw):
        return Quaternion.from_xyzw(xyzw)

    @staticmethod
    def exp(v):
        return Quaternion.from_rotation_vector(v, epsilon=SMALL)

    @staticmethod
    def log(q):
        return q.to_rotation_vector(epsilon=SMALL, use_atan2=False)

    @staticmethod
    def xyzw(q):
        return q.to_vector_xyzw()

    @staticmethod
    def jacobian(values, variable):
        """By elements, or by directions where either is a rotation."""
        of_rotation, by_rotation = [isinstance(side, Quaternion) for side in (values, variable)]
        slopes = sym.jacobian(
            values.to_vector_wxyz() if of_rotation else values, variable.to_vector_wxyz() if by_rotation else variable
        )
        slopes = values.right_local_coordinates_derivative() * slopes if of_rotation else slopes
        return slopes * variable.right_retract_derivative() if by_rotation else slopes

    vector = staticmethod(sym.vector)
    abs = staticmethod(sym.abs)
    hstack = staticmethod(sym.hstack)
    vstack = staticmethod(sym.vstack)


class CasadiQuaternion:
    """w, x, y and z as expressions of CasADi."""

    def __init__(self, w, x, y, z):
        self.w, self.x, self.y, self.z = w, x, y, z

    def wxyz(self):
        return ca.vertcat(self.w, self.x, self.y, self.z)

    def conjugate(self):
        return CasadiQuaternion(self.w, -self.x, -self.y, -self.z)

    def __mul__(self, other):
        (a, b, c, d), (w, x, y, z) = [(q.w, q.x, q.y, q.z) for q in (self, other)]
        return CasadiQuaternion(
            a * w - b * x - c * y - d * z,
            a * x + b * w + c * z - d * y,
            a * y + c * w + d * x - b * z,
            a * z + d * w + b * y - c * x,
        )

    def normalized(self):
        length = ca.sqrt(self.w**2 + self.x**2 + self.y**2 + self.z**2)
        return CasadiQuaternion(self.w / length, self.x / length, self.y / length, self.z / length)

    def to_rotation_matrix(self):
        w, x, y, z = self.w, self.x, self.y, self.z
        return CasadiMatrix([
            [1 - 2 * y * y - 2 * z * z, 2 * y * x - 2 * z * w, 2 * z * x + 2 * y * w],
            [2 * y * x + 2 * z * w, 1 - 2 * x * x - 2 * z * z, 2 * z * y - 2 * x * w],
            [2 * z * x - 2 * y * w, 2 * z * y + 2 * x * w, 1 - 2 * x * x - 2 * y * y],
        ])

    def directions(self):
        """The derivative of its elements by a small rotation on its right."""
        w, x, y, z = self.w, self.x, self.y, self.z
        return CasadiMatrix([[-x, -y, -z], [w, -z, y], [z, w, -x], [-y, x, w]]).value / 2


class CasadiMatrix:
    """A matrix whose `*` is a product of matrices, as it is in wrenfold."""

    def __init__(self, rows):
        self.value = ca.vertcat(*[ca.horzcat(*row) for row in rows])

    def __mul__(self, other):
        return ca.mtimes(self.value, other)


class Casadi:
    """CasADi's expressions."""

    @staticmethod
    def rotation(xyzw):
        return CasadiQuaternion(xyzw[3], xyzw[0], xyzw[1], xyzw[2])

    @staticmethod
    def exp(v):
        angle = ca.sqrt(v[0] ** 2 + v[1] ** 2 + v[2] ** 2)
        linear = CasadiQuaternion(1, v[0] / 2, v[1] / 2, v[2] / 2).normalized()
        scale = ca.sin(angle / 2) / angle
        choose = lambda large, small: ca.if_else(angle > SMALL, large, small)
        return CasadiQuaternion(
            choose(ca.cos(angle / 2), linear.w),
            choose(v[0] * scale, linear.x),
            choose(v[1] * scale, linear.y),
            choose(v[2] * scale, linear.z),
        )

    @staticmethod
    def log(q):
        sign = ca.if_else(q.w < 0, -1, 1)
        cosine = q.w * sign
        cosine = ca.if_else(cosine > 1, 1, cosine)
        sine = ca.sqrt(1 - cosine**2)
        scale = sign * ca.if_else(sine > SMALL, 2 * ca.acos(cosine) / sine, 2)
        return ca.vertcat(q.x * scale, q.y * scale, q.z * scale)

    @staticmethod
    def xyzw(q):
        return ca.vertcat(q.x, q.y, q.z, q.w)

    @staticmethod
    def jacobian(values, variable):
        of_rotation, by_rotation = [isinstance(side, CasadiQuaternion) for side in (values, variable)]
        slopes = ca.jacobian(values.wxyz() if of_rotation else values, variable.wxyz() if by_rotation else variable)
        slopes = ca.mtimes(4 * values.directions().T, slopes) if of_rotation else slopes
        return ca.mtimes(slopes, variable.directions()) if by_rotation else slopes

    vector = staticmethod(ca.vertcat)
    abs = staticmethod(ca.fabs)

    @staticmethod
    def hstack(blocks):
        return ca.horzcat(*blocks)

    @staticmethod
    def vstack(blocks):
        return ca.vertcat(*blocks)


def quat_local_coords(m, q0, q1):
    q0, q1 = m.rotation(q0), m.rotation(q1)
    out = m.log(q0.conjugate() * q1)
    return {"out": out, "d0": m.jacobian(out, q0), "d1": m.jacobian(out, q1)}


def quat_interpolation(m, q0, q1, alpha):
    q0, q1 = m.rotation(q0), m.rotation(q1)
    out = q0 * m.exp(m.log(q0.conjugate() * q1) * alpha)
    return {"out": m.xyzw(out), "d0": m.jacobian(out, q0), "d1": m.jacobian(out, q1)}


def imu_integration(m, rotation, position, velocity, gyro_bias, accelerometer_bias, rate, acceleration, dt):
    rotation = m.rotation(rotation)
    turned = rotation * m.exp((rate - gyro_bias) * dt)
    outside = rotation.to_rotation_matrix() * (acceleration - accelerometer_bias)
    moved = position + velocity * dt + outside * (m.abs(dt) * dt / 2)
    faster = velocity + outside * dt

    def blocks(variables):
        rows = [[m.jacobian(value, variable) for variable in variables] for value in (turned, moved, faster)]
        return m.vstack([m.hstack(row) for row in rows])

    by_measurements = blocks((rate, acceleration))
    return {
        "turned": m.xyzw(turned.normalized()),
        "moved": moved,
        "faster": faster,
        "by_state": blocks((rotation, position, velocity)),
        "by_measurements": by_measurements,
        "by_biases": -by_measurements,
    }


def rolling_shutter_camera(
    m, imu_rotation, imu_position, camera_rotation, camera_position, rate, velocity, point, time, camera
):
    imu, mount = m.rotation(imu_rotation), m.rotation(camera_rotation)
    imu_then = imu * m.exp(rate * time)
    center = imu_position + velocity * time + imu_then.to_rotation_matrix() * camera_position
    seen = (imu_then * mount).conjugate().to_rotation_matrix() * (point - center)

    fx, fy, cx, cy, k1, k2, k3, p1, p2 = [camera[i] for i in range(9)]
    x, y = seen[0] / seen[2], seen[1] / seen[2]
    square = x * x + y * y
    radial = 1 + k1 * square + k2 * square**2 + k3 * square**3
    image = m.vector(
        (radial * x + 2 * p1 * x * y + p2 * (square + 2 * x * x)) * fx + cx,
        (radial * y + 2 * p1 * (square + 2 * y * y) + p2 * x * y) * fy + cy,
    )
    variables = {
        "by_imu_rotation": imu,
        "by_imu_position": imu_position,
        "by_camera_rotation": mount,
        "by_camera_position": camera_position,
        "by_rate": rate,
        "by_velocity": velocity,
        "by_point": point,
    }
    return {"image": image, **{name: m.jacobian(image, variable) for name, variable in variables.items()}}


def in_wrenfold():
    """Functions for wrenfold's generator, with the factorization passes that its own benchmark asks for, or as many as it takes by itself."""
    vectors = {3: Vector3, 4: Vector4, 9: Vector9}
    for name, (function, passes) in FUNCTIONS.items():
        sizes = SIZES[name]
        arguments = list(sizes)
        values = lambda *given, function=function: [OutputArg(v, key) for key, v in function(Wrenfold, *given).items()]
        # The generator reads names and types of arguments from the function.
        scope = {"values": values}
        exec(f"def {name}({', '.join(arguments)}): return values({', '.join(arguments)})", scope)
        scope[name].__annotations__ = {key: vectors.get(size, FloatScalar) for key, size in sizes.items()}
        params = OptimizationParams()
        if passes is not None:
            params.factorization_passes = passes
        yield scope[name], params


def in_casadi():
    """Functions of CasADi."""
    for name, (function, _) in FUNCTIONS.items():
        inputs = [ca.SX.sym(key, size) for key, size in SIZES[name].items()]
        results = function(Casadi, *inputs)
        # Row by row, as the others write it.
        yield ca.Function(f"c_{name}", inputs, [ca.vec(ca.densify(result).T) for result in results.values()])


FUNCTIONS = {
    "quat_local_coords": (quat_local_coords, 3),
    "quat_interpolation": (quat_interpolation, 3),
    "imu_integration": (imu_integration, None),
    "rolling_shutter_camera": (rolling_shutter_camera, 5),
}
