"""What other watermarks live through, on the same pages: blind-watermark and invisible-watermark from PyPI.

trace_peers.py PAGE.png…: embeds 64 bits into each page, does to it what happens on the way to a forum, and decodes. Both
need a picture of the original size and position, so every attack is undone for them as far as a careful person could:
scaled back, cropped parts put back in their place. A picture counts where all 64 bits come back.
"""

import os
import subprocess
import sys
import tempfile

import cv2
import numpy as np

BITS = np.array([(0x5A17_C0DE_1337_BEEF >> i) & 1 for i in range(64)], dtype=bool)


def jpeg(image, quality):
    return cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)


def scaled(image, by, quality=None):
    size = image.shape[1], image.shape[0]
    small = cv2.resize(image, None, fx=by, fy=by, interpolation=cv2.INTER_AREA)
    return cv2.resize(jpeg(small, quality) if quality else small, size, interpolation=cv2.INTER_CUBIC)


def cropped(image, share):
    high, wide = image.shape[:2]
    side = share**0.5
    top, left = int(high * (1 - side) / 3), int(wide * (1 - side) / 2)
    out = np.full_like(image, 255)
    rows, columns = slice(top, top + int(high * side)), slice(left, left + int(wide * side))
    out[rows, columns] = image[rows, columns]
    return out


def turned(image, degrees):
    """Turned, and turned back: what a careful person would do."""
    size = image.shape[1], image.shape[0]
    there = cv2.getRotationMatrix2D((size[0] / 2, size[1] / 2), degrees, 1)
    back = cv2.getRotationMatrix2D((size[0] / 2, size[1] / 2), -degrees, 1)
    return cv2.warpAffine(cv2.warpAffine(image, there, size), back, size)


def telephone(image):
    """Seen from 10° to the side, blurred, noisy, JPEG 60; straightened by its true corners."""
    high, wide = image.shape[:2]
    corners = np.float32([[0, 0], [wide, 0], [wide, high], [0, high]])
    seen = np.float32([[90, 60], [wide - 60, 95], [wide - 75, high - 80], [70, high - 70]])
    size = wide, high
    frame = cv2.warpPerspective(image, cv2.getPerspectiveTransform(corners, seen), size)
    frame = cv2.GaussianBlur(frame, (0, 0), 1.0).astype(np.float32)
    frame += np.random.default_rng(7).normal(0, 4, frame.shape)
    frame = jpeg(np.clip(frame, 0, 255).astype(np.uint8), 60)
    return cv2.warpPerspective(frame, cv2.getPerspectiveTransform(seen, corners), size)


def video(image, codec):
    size = image.shape[1], image.shape[0]
    with tempfile.TemporaryDirectory() as place:
        still, film, frame = (os.path.join(place, n) for n in ("a.png", "a.mkv", "b.png"))
        cv2.imwrite(still, image)
        quiet = ["ffmpeg", "-v", "error", "-y", "-nostdin", "-threads", "1"]
        subprocess.run([*quiet, "-loop", "1", "-t", "1", "-r", "10", "-i", still, "-vf", "scale=-2:720", "-pix_fmt",
                        "yuv420p", *codec, film], check=True)
        subprocess.run([*quiet, "-ss", "0.5", "-i", film, "-frames:v", "1", frame], check=True)
        return cv2.resize(cv2.imread(frame), size, interpolation=cv2.INTER_CUBIC)


ATTACKS = {
    "none": lambda i: i,
    "JPEG 50": lambda i: jpeg(i, 50),
    "scale 0.5": lambda i: scaled(i, 0.5),
    "scale 0.5, JPEG 50": lambda i: scaled(i, 0.5, 50),
    "messenger (1600 px, JPEG 70)": lambda i: scaled(i, 1600 / i.shape[1], 70),
    "crop to 50 %": lambda i: cropped(i, 0.5),
    "crop to 10 %": lambda i: cropped(i, 0.1),
    "rotation 5°": lambda i: turned(i, 5),
    "H.264 CRF 32 720p": lambda i: video(i, ["-c:v", "libx264", "-preset", "veryfast", "-crf", "32"]),
    "VP9 CRF 40 720p": lambda i: video(i, ["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-crf", "40",
                                           "-b:v", "0"]),
    "phone, mild": telephone,
}


class Blind:
    name = "blind-watermark"

    def __init__(self):
        import blind_watermark

        blind_watermark.bw_notes.close()
        self.make = lambda: blind_watermark.WaterMark(password_img=1, password_wm=1)

    def embed(self, image):
        mark = self.make()
        mark.read_img(img=image)
        mark.read_wm(BITS, mode="bit")
        return np.clip(mark.embed(), 0, 255).astype(np.uint8)

    def decode(self, image):
        return np.array(self.make().extract(embed_img=image, wm_shape=len(BITS), mode="bit")) > 0.5


class Invisible:
    def __init__(self, method):
        sys.modules.setdefault("imwatermark.rivaGan", type(sys)("rivaGan")).RivaWatermark = None
        from imwatermark import WatermarkDecoder, WatermarkEncoder

        self.name, self.method = f"invisible-watermark, {method}", method
        self.encoder, self.decoder = WatermarkEncoder(), WatermarkDecoder("bits", len(BITS))
        self.encoder.set_watermark("bits", [int(b) for b in BITS])

    def embed(self, image):
        return self.encoder.encode(image, self.method)

    def decode(self, image):
        return np.array(self.decoder.decode(image, self.method)) > 0


def main():
    makers = [Blind, lambda: Invisible("dwtDct"), lambda: Invisible("dwtDctSvd")]
    pages = [cv2.imread(p) for p in sys.argv[1:]]
    for make in makers:
        try:
            peer = make()
        except ImportError as why:
            print(f"{make}: not tried ({why})")
            continue
        marked = [peer.embed(p) for p in pages]
        print(f"{peer.name}: 64 bits; changes pixels by {np.mean([np.abs(m.astype(int) - p).max() for m, p in zip(marked, pages)]):.0f} "
              "grey levels at the most")
        for name, attack in ATTACKS.items():
            whole, right = 0, []
            for image in marked:
                try:
                    bits = peer.decode(attack(image))
                except Exception as why:  # a peer's own failure is its result
                    print(f"  {name}: {why}")
                    bits = ~BITS
                right.append(np.mean(bits == BITS))
                whole += int(np.all(bits == BITS))
            print(f"  {name:<30} {whole}/{len(marked)} decoded, {100 * np.mean(right):.0f} % of bits right")


main()
