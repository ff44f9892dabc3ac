"""The tour: the pages of docs/ in a window of their own, to be read beside the work."""

from PySide6.QtCore import Qt, QUrl
from PySide6.QtGui import (
    QDesktopServices,
    QImage,
    QTextBlock,
    QTextBlockFormat,
    QTextCursor,
    QTextDocument,
    QTextFragment,
    QTextLength,
)
from PySide6.QtWidgets import QDialog, QHBoxLayout, QTextBrowser, QVBoxLayout, QWidget

from studio.shipped import shipped
from studio.ui import dialogs
from studio.ui.theme import color, current
from studio.ui.widgets.icon_button import IconButton

FIRST = "studio.md"
WIDTH = 800
MARGIN = 24
SPACE = 16


class Tour(QDialog):
    """Shows the page of the tour; `show()` it. Links between pages are followed here, others in the browser."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("A tour of the studio")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialogs.resize(self, WIDTH + 2 * MARGIN + 40, 720)
        self.pages = QTextBrowser()
        self.pages.setAccessibleName("Pages of the tour")
        self.pages.setSearchPaths([str(shipped("docs"))])
        self.pages.setOpenLinks(False)
        self.pages.document().setDocumentMargin(MARGIN)
        self.pages.anchorClicked.connect(self.follow)
        self.pages.sourceChanged.connect(self._lay_out)
        current().changed.connect(self.pages.reload)
        self.back = IconButton("chevron-left", "Back to the page before")
        self.back.setEnabled(False)
        self.back.clicked.connect(self.pages.backward)
        self.pages.backwardAvailable.connect(self.back.setEnabled)
        bar = QHBoxLayout()
        bar.setContentsMargins(8, 8, 8, 0)
        bar.addWidget(self.back)
        bar.addStretch()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(bar)
        column.addWidget(self.pages)
        self.pages.setSource(QUrl(FIRST), QTextDocument.ResourceType.MarkdownResource)
        self.pages.setFocus()

    def follow(self, url: QUrl) -> None:
        if url.isRelative() and url.path().endswith(".md"):
            self.pages.setSource(QUrl(url.path()), QTextDocument.ResourceType.MarkdownResource)
        else:
            QDesktopServices.openUrl(url)

    def _lay_out(self) -> None:
        """Give the text room, and the pictures, which Qt shows at their own size, the width of the page or of their
        column of a table."""
        document = self.pages.document()
        for table in document.rootFrame().childFrames():
            frame = table.frameFormat()
            frame.setBorderBrush(color("border"))
            frame.setWidth(QTextLength(QTextLength.Type.PercentageLength, 100))
            table.setFrameFormat(frame)
        pictures = []
        block = document.begin()
        while block.isValid():
            cursor = QTextCursor(block)
            table, shown = cursor.currentTable(), pictures_of(block)
            if table is None:
                place = block.blockFormat()
                place.setTopMargin(SPACE if place.headingLevel() else 0)
                place.setBottomMargin(0 if place.nonBreakableLines() else SPACE / 2)  # lines of code are blocks
                place.setNonBreakableLines(False)
                if not shown:
                    place.setLineHeight(130, QTextBlockFormat.LineHeightTypes.ProportionalHeight.value)
                cursor.setBlockFormat(place)
            width = WIDTH if table is None else WIDTH // table.columns() - 2 * SPACE
            pictures += [(fragment, width) for fragment in shown]
            block = block.next()
        for fragment, width in pictures:
            self._fit(fragment, width)

    def _fit(self, fragment: QTextFragment, width: int) -> None:
        picture = fragment.charFormat().toImageFormat()
        image, ratio = QImage(str(shipped("docs") / picture.name())), self.devicePixelRatioF()
        if image.width() <= width:
            return
        image = image.scaledToWidth(round(width * ratio), Qt.TransformationMode.SmoothTransformation)
        image.setDevicePixelRatio(ratio)
        name = f"{picture.name()} at {width}"
        self.pages.document().addResource(QTextDocument.ResourceType.ImageResource, QUrl(name), image)
        picture.setName(name)
        cursor = QTextCursor(self.pages.document())
        cursor.setPosition(fragment.position())
        cursor.setPosition(fragment.position() + 1, QTextCursor.MoveMode.KeepAnchor)
        cursor.setCharFormat(picture)


def pictures_of(block: QTextBlock) -> list[QTextFragment]:
    """The pictures in a block of text."""
    found, part = [], block.begin()
    while not part.atEnd():
        if part.fragment().charFormat().isImageFormat():
            found.append(part.fragment())
        part += 1
    return found
