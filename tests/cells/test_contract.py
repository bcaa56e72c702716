"""What `seqtasks.cells` says that a cell must have is what the three cells have."""

import inspect
import subprocess
import sys

import keras
import pytest

from seqtasks import GRUCell, LSTMCell, RNNCell
from seqtasks.cells import Cell, NormalisedCell, VectorCell
from seqtasks.cells.layer_norm_gru import LayerNormGRUCell
from seqtasks.cells.layer_norm_lstm import LayerNormLSTMCell
from seqtasks.cells.peephole_lstm import PeepholeLSTMCell

PROTOCOLS = {
    **{RNNCell: Cell, LSTMCell: Cell, GRUCell: Cell, PeepholeLSTMCell: VectorCell},
    **{LayerNormLSTMCell: NormalisedCell, LayerNormGRUCell: NormalisedCell},
}
each_cell = pytest.mark.parametrize("cell_class", PROTOCOLS)


def public(names):
    return {name for name in names if not name.startswith("_")}


def members_of(cell):
    """The public members of a built cell that a plain Keras layer lacks, or that it redefines."""
    plain = keras.Layer()
    plain.build((None, 1))
    return public(vars(type(cell))) | (public(vars(cell)) - set(vars(plain)))


def arguments(kind, method):
    """Names of a method's arguments, and whether it is static."""
    static = isinstance(inspect.getattr_static(kind, method), staticmethod)
    return list(inspect.signature(getattr(kind, method)).parameters), static


def differences(cell, protocol=Cell):
    """Members that the cell or the protocol has alone, and methods with other arguments.

    The weights that a cell names as its vectors are members too.
    """
    parts = [part for part in protocol.__mro__ if part in (Cell, VectorCell, NormalisedCell)]
    methods = set().union(*(public(vars(part)) for part in parts))
    names = methods.union(*(part.__annotations__ for part in parts))
    vectors = {*getattr(cell, "vectors", ()), *getattr(cell, "input_vectors", ())}
    alone, kind = members_of(cell) ^ (names | vectors), type(cell)
    same = {m for m in methods - alone if arguments(kind, m) == arguments(protocol, m)}
    return alone | (methods - alone - same)


def built(cell_class):
    cell = cell_class(3)
    cell.build((None, 2))
    return cell


@each_cell
def test_a_cell_has_exactly_the_members_that_the_protocol_describes(cell_class):
    assert differences(built(cell_class), PROTOCOLS[cell_class]) == set()


def test_a_member_more_one_less_and_other_arguments_are_noticed():
    members = {name: value for name, value in vars(LSTMCell).items() if name != "__dict__"}
    members |= {"peep": 1, "recurrent_operands": staticmethod(lambda h_prev, saved: (h_prev,))}
    del members["saves"]
    other = type("Other", (LSTMCell,), members)
    assert differences(built(other)) == {"peep", "saves", "recurrent_operands"}


@each_cell
def test_the_steps_stand_directly_under_the_class_s_equations(cell_class):
    lines = inspect.getsource(cell_class).splitlines()
    first_method = next(line for line in lines if line.lstrip().startswith("def "))
    assert first_method.lstrip().startswith("def step(")
    step = next(n for n, line in enumerate(lines) if "def step(" in line)
    equations = max(n for n, line in enumerate(lines[:step]) if line.lstrip().startswith("h_t ="))
    assert step - equations < 14


def test_the_page_of_the_protocol_is_read_without_tensorflow():
    code = (
        "import sys, seqtasks.cells; print('keras' in sys.modules or 'tensorflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
