"""The one style sheet: corners, spacing and focus, in the colours of the theme. `@role` stands for a colour.

A widget chooses a variant by a property: `kind` of a button is "primary", "danger" or "quiet"; `role` of a label is
"title", "heading", "muted", "mono" or "danger"; `surface` of a frame is "canvas", "raised" or "card".
"""

import re
from collections.abc import Mapping

from PySide6.QtWidgets import QWidget

from studio.shipped import shipped

SHEET = """
QToolTip { background: @raised; color: @text; border: 1px solid @border; padding: 4px 6px; }

QLabel[role="title"] { font-size: 20px; font-weight: 600; }
QLabel[role="heading"] { font-weight: 600; }
QLabel[role="muted"] { color: @muted; }
QLabel[role="danger"] { color: @danger; }
QLabel[role="mono"] { font-family: "JetBrains Mono"; font-size: 12px; color: @muted; }

QFrame[surface="canvas"] { background: @canvas; border: none; }
QFrame[surface="raised"] { background: @raised; border: none; }
QFrame[notice="info"] { background: @info-soft; border: 1px solid @border; border-radius: 8px; }
QFrame[notice="success"] { background: @success-soft; border: 1px solid @border; border-radius: 8px; }
QFrame[notice="warning"] { background: @warning-soft; border: 1px solid @border; border-radius: 8px; }
QFrame[notice="error"] { background: @danger-soft; border: 1px solid @danger; border-radius: 8px; }
QFrame[surface="card"] { background: @raised; border: 1px solid @border; border-radius: 8px; }

QPushButton, QComboBox {
    background: @control; color: @text; border: 1px solid @outline; border-radius: 6px;
    padding: 0 11px; min-height: 26px;
}
QPushButton:hover, QComboBox:hover { background: @hover; }
QPushButton:pressed { background: @pressed; }
QPushButton:checked { background: @selection; border-color: @focus; }
QPushButton:focus, QComboBox:focus { border: 2px solid @focus; padding: 0 10px; min-height: 24px; }
QPushButton:disabled, QComboBox:disabled { background: @surface; color: @disabled; border-color: @border; }
QPushButton[kind="primary"] { background: @accent; color: @on-accent; border-color: @accent; font-weight: 600; }
QPushButton[kind="primary"]:hover { background: @accent-hover; border-color: @accent-hover; }
QPushButton[kind="primary"]:pressed { background: @accent; }
QPushButton[kind="primary"]:focus { border-color: @text; }
QPushButton[kind="primary"]:disabled { background: @control; color: @disabled; border-color: @border; }
QPushButton[kind="danger"] { color: @danger; border-color: @danger; }
QPushButton[kind="danger"]:focus { border-color: @focus; }
QPushButton[kind="quiet"] { background: transparent; border-color: transparent; }
QPushButton[kind="quiet"]:hover { background: @hover; }
QPushButton[kind="quiet"]:focus { border-color: @focus; }

QFrame[segments="true"] { background: @pressed; border: 1px solid @outline; border-radius: 6px; }
QPushButton[segment="true"] {
    background: transparent; border: 2px solid transparent; border-radius: 5px; padding: 0 6px; min-height: 20px;
}
QPushButton[segment="true"]:hover { background: @hover; }
QPushButton[segment="true"]:checked { background: @accent; color: @on-accent; }
QPushButton[segment="true"]:focus { border-color: @focus; }
QPushButton[segment="true"]:checked:focus { border-color: @text; }
QPushButton[segment="true"]:disabled { color: @disabled; }
QPushButton[segment="true"]:checked:disabled { background: @border; color: @disabled; }

QToolButton[section="true"] {
    border: 2px solid transparent; border-radius: 6px; padding: 4px 4px 4px 0; font-weight: 600;
}
QToolButton[section="true"]:checked {
    background: transparent; border: 2px solid transparent; padding: 4px 4px 4px 0;
}
QToolButton[section="true"]:hover { background: @hover; }
QToolButton[section="true"]:focus { border: 2px solid @focus; padding: 4px 4px 4px 0; }

QToolButton {
    background: transparent; color: @text; border: 2px solid transparent; border-radius: 6px; padding: 2px;
}
QToolButton:hover { background: @hover; }
QToolButton:pressed { background: @pressed; }
QToolButton:checked { background: @selection; border: 1px solid @focus; padding: 3px; }
QToolButton:focus { border: 2px solid @focus; padding: 2px; }
QToolButton:checked:focus { border-color: @text; }
QToolButton:disabled { color: @disabled; }
QToolButton::menu-indicator { image: none; }

QComboBox { combobox-popup: 0; }
QComboBox::drop-down { border: none; width: 24px; }
QComboBox::down-arrow { image: url("@assets/style/chevron-down.svg"); width: 14px; height: 14px; }
QComboBox QAbstractItemView {
    background: @raised; border: 1px solid @outline; border-radius: 0; padding: 4px; outline: none;
    selection-background-color: @selection; selection-color: @text;
}

QLineEdit, QAbstractSpinBox, QKeySequenceEdit QLineEdit {
    background: @control; color: @text; border: 1px solid @outline; border-radius: 6px;
    padding: 0 7px; min-height: 26px;
    selection-background-color: @accent; selection-color: @on-accent;
}
QLineEdit:focus, QAbstractSpinBox:focus { border: 2px solid @focus; padding: 0 6px; min-height: 24px; }
QLineEdit:disabled, QAbstractSpinBox:disabled { background: @surface; color: @disabled; border-color: @border; }
QLineEdit[invalid="true"] { border: 2px solid @danger; padding: 0 6px; min-height: 24px; }
QAbstractSpinBox { padding-right: 20px; min-height: 24px; max-height: 24px; }
QAbstractSpinBox:focus { padding-right: 19px; min-height: 22px; max-height: 22px; }
QAbstractSpinBox QLineEdit { border: none; padding: 0 0 0 6px; min-height: 0; background: transparent; }
QAbstractSpinBox::up-button, QAbstractSpinBox::down-button { background: transparent; border: none; width: 18px; }
QAbstractSpinBox::up-button { subcontrol-position: top right; margin: 3px 3px 0 0; }
QAbstractSpinBox::down-button { subcontrol-position: bottom right; margin: 0 3px 3px 0; }
QAbstractSpinBox::up-button:hover, QAbstractSpinBox::down-button:hover { background: @hover; border-radius: 3px; }
QAbstractSpinBox::up-arrow { image: url("@assets/style/chevron-up.svg"); width: 10px; height: 10px; }
QAbstractSpinBox::down-arrow { image: url("@assets/style/chevron-down.svg"); width: 10px; height: 10px; }

QTextEdit, QPlainTextEdit {
    background: @control; color: @text; border: 1px solid @outline; border-radius: 6px; padding: 7px;
    selection-background-color: @accent; selection-color: @on-accent;
}
QTextEdit:focus, QPlainTextEdit:focus { border: 2px solid @focus; padding: 6px; }

QCheckBox, QRadioButton { spacing: 8px; padding: 3px 4px 3px 2px; border: 1px solid transparent; border-radius: 6px; }
QCheckBox:focus, QRadioButton:focus { border-color: @focus; }
QCheckBox:disabled, QRadioButton:disabled { color: @disabled; }
QCheckBox::indicator, QRadioButton::indicator {
    width: 14px; height: 14px; border: 1px solid @outline; border-radius: 4px; background: @control;
}
QRadioButton::indicator { border-radius: 8px; }
QCheckBox::indicator:hover, QRadioButton::indicator:hover { background: @hover; }
QCheckBox::indicator:checked { background: @accent; border-color: @accent; image: url("@assets/style/check.svg"); }
QRadioButton::indicator:checked { background: @accent; border-color: @accent; image: url("@assets/style/dot.svg"); }
QCheckBox::indicator:indeterminate {
    background: @accent; border-color: @accent; image: url("@assets/style/dash.svg");
}
QCheckBox::indicator:disabled, QRadioButton::indicator:disabled { border-color: @border; background: @surface; }

QSlider { min-height: 24px; }
QSlider::groove:horizontal { height: 4px; border-radius: 2px; background: @outline; margin: 0 2px; }
QSlider::groove:vertical { width: 4px; border-radius: 2px; background: @outline; margin: 2px 0; }
QSlider::sub-page:horizontal { height: 4px; border-radius: 2px; background: @focus; margin: 0 2px; }
QSlider::add-page:vertical { width: 4px; border-radius: 2px; background: @focus; margin: 2px 0; }
QSlider::handle {
    width: 12px; height: 12px; border-radius: 8px;
    background: @control; border: 2px solid @focus;
}
QSlider::handle:horizontal { margin: -6px -2px; }
QSlider::handle:vertical { margin: -2px -6px; }
QSlider::handle:hover { background: @hover; }
QSlider::handle:focus { background: @focus; border-color: @text; }
QSlider::groove:disabled, QSlider::sub-page:horizontal:disabled, QSlider::add-page:vertical:disabled {
    background: @border;
}
QSlider::handle:disabled { border-color: @border; }

QProgressBar { background: @border; border: none; border-radius: 3px; max-height: 6px; min-height: 6px; }
QProgressBar::chunk { background: @focus; border-radius: 3px; }

QFrame[drop="true"] { background: transparent; border: 3px solid @focus; border-radius: 8px; }

QScrollBar:vertical { background: transparent; width: 12px; margin: 0; }
QScrollBar:horizontal { background: transparent; height: 12px; margin: 0; }
QScrollBar::handle { background: @outline; border-radius: 3px; margin: 3px; }
QScrollBar::handle:vertical { min-height: 32px; }
QScrollBar::handle:horizontal { min-width: 32px; }
QScrollBar::handle:hover { background: @muted; }
QScrollBar::add-line, QScrollBar::sub-line { width: 0; height: 0; }
QScrollBar::add-page, QScrollBar::sub-page { background: transparent; }
QScrollArea { background: transparent; border: none; }
QScrollArea > QWidget > QWidget[transparent="true"] { background: transparent; }

QAbstractItemView {
    background: @raised; border: 1px solid @border; border-radius: 8px; outline: none;
    selection-background-color: @selection; selection-color: @text;
}
QAbstractItemView:focus { border-color: @focus; }
QComboBox QAbstractItemView:focus { border-color: @outline; }
QListView, QTreeView { padding: 4px; }
QListView::item, QTreeView::item { padding: 4px 6px; border-radius: 4px; }
QListView::item { border: 1px solid transparent; padding: 3px 5px; }
QListView::item:selected { border-color: @focus; }
QTableView::item { padding: 4px 8px; }
QListView::item:hover, QTreeView::item:hover { background: @hover; }
QListView::item:selected, QTreeView::item:selected, QTableView::item:selected { background: @selection; color: @text; }
QFrame[command="true"] { background: @raised; border: 1px solid @outline; border-radius: 12px; }
QLineEdit[command="true"] {
    background: transparent; border: none; border-bottom: 1px solid @border; border-radius: 0;
    font-size: 16px; padding: 2px 6px 6px 6px; min-height: 28px;
}
QListView[command="true"] { background: transparent; border: none; padding: 0; }

QHeaderView { background: @raised; border: none; border-radius: 0; }
QHeaderView::section {
    background: @raised; color: @muted; border: none; border-bottom: 1px solid @border; padding: 6px 8px;
    text-align: left;
}
QTableCornerButton::section { background: @raised; border: none; }

QTabBar::tab {
    background: transparent; color: @muted; padding: 6px 12px; border: none; border-bottom: 2px solid transparent;
}
QTabBar::tab:hover { color: @text; }
QTabBar::tab:selected { color: @text; border-bottom-color: @focus; }
QTabBar::tab:focus { background: @hover; }
QTabWidget::pane { border: none; border-top: 1px solid @border; }

QMenuBar { background: @surface; padding: 2px 4px; }
QMenuBar::item { padding: 4px 10px; border-radius: 6px; }
QMenuBar::item:selected { background: @hover; }
QMenu { background: @raised; border: 1px solid @border; padding: 4px; }
QMenu::item { padding: 5px 28px 5px 10px; border-radius: 4px; }
QMenu::icon { padding-left: 8px; }
QMenu::icon:checked { background: @selection; border: 1px solid @focus; border-radius: 4px; }
QMenu::item:selected { background: @selection; color: @text; }
QMenu::item:disabled { color: @disabled; }
QMenu::separator { height: 1px; background: @border; margin: 4px 6px; }

QStatusBar { background: @surface; color: @muted; border-top: 1px solid @border; }
QStatusBar::item { border: none; }
QDialogButtonBox { dialogbuttonbox-buttons-have-icons: 0; }
QSplitter::handle { background: @border; }
QSplitter::handle:hover { background: @focus; }
QSplitter::handle:horizontal { width: 1px; }
QSplitter::handle:vertical { height: 1px; }
QGroupBox { border: 1px solid @border; border-radius: 8px; margin-top: 10px; padding: 12px 8px 8px 8px; }
QGroupBox::title { subcontrol-origin: margin; left: 10px; padding: 0 4px; color: @muted; }
"""


def restyle(widget: QWidget, name: str, value: object) -> None:
    """Set a property that the style sheet asks for, and have the widget drawn accordingly."""
    if widget.property(name) != value:
        widget.setProperty(name, value)
        widget.style().unpolish(widget)
        widget.style().polish(widget)


def style_sheet(colors: Mapping[str, str]) -> str:
    """The sheet in these colours. KeyError for an unknown role."""
    words = {**colors, "assets": shipped("assets").as_posix()}
    return re.sub(r"@([a-z][a-z0-9-]*)", lambda match: words[match[1]], SHEET)
