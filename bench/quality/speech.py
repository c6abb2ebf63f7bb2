"""Speech for ``earmark stress --not-music``: ``python bench/quality/speech.py FOLDER`` (needs espeak-ng).

Each language's articles 1, 3 and 4 of the Universal Declaration of Human Rights, by six voices at as many speeds.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

VOICES = ("m1", "f1", "m3", "f2", "m7", "f4")
SPEEDS = (140, 150, 160, 170, 180, 190)
"""Words a minute."""

TEXTS = {
    "en": """All human beings are born free and equal in dignity and rights. They are endowed with reason and conscience
        and should act towards one another in a spirit of brotherhood. Everyone has the right to life, liberty and
        security of person. No one shall be held in slavery or servitude; slavery and the slave trade shall be
        prohibited in all their forms.""",
    "de": """Alle Menschen sind frei und gleich an Würde und Rechten geboren. Sie sind mit Vernunft und Gewissen begabt
        und sollen einander im Geist der Brüderlichkeit begegnen. Jeder hat das Recht auf Leben, Freiheit und Sicherheit
        der Person. Niemand darf in Sklaverei oder Leibeigenschaft gehalten werden; Sklaverei und Sklavenhandel sind in
        allen ihren Formen verboten.""",
    "fr": """Tous les êtres humains naissent libres et égaux en dignité et en droits. Ils sont doués de raison et de
        conscience et doivent agir les uns envers les autres dans un esprit de fraternité. Tout individu a droit à la
        vie, à la liberté et à la sûreté de sa personne. Nul ne sera tenu en esclavage ni en servitude; l'esclavage et
        la traite des esclaves sont interdits sous toutes leurs formes.""",
    "es": """Todos los seres humanos nacen libres e iguales en dignidad y derechos y, dotados como están de razón y
        conciencia, deben comportarse fraternalmente los unos con los otros. Todo individuo tiene derecho a la vida, a
        la libertad y a la seguridad de su persona. Nadie estará sometido a esclavitud ni a servidumbre; la esclavitud
        y la trata de esclavos están prohibidas en todas sus formas.""",
    "it": """Tutti gli esseri umani nascono liberi ed eguali in dignità e diritti. Essi sono dotati di ragione e di
        coscienza e devono agire gli uni verso gli altri in spirito di fratellanza. Ogni individuo ha diritto alla
        vita, alla libertà ed alla sicurezza della propria persona. Nessun individuo potrà essere tenuto in stato di
        schiavitù o di servitù; la schiavitù e la tratta degli schiavi saranno proibite sotto qualsiasi forma.""",
    "nl": """Alle mensen worden vrij en gelijk in waardigheid en rechten geboren. Zij zijn begiftigd met verstand en
        geweten, en behoren zich jegens elkander in een geest van broederschap te gedragen. Een ieder heeft het recht op
        leven, vrijheid en onschendbaarheid van zijn persoon. Niemand zal in slavernij of horigheid gehouden worden;
        slavernij en slavenhandel in iedere vorm zijn verboden.""",
    "pt": """Todos os seres humanos nascem livres e iguais em dignidade e em direitos. Dotados de razão e de
        consciência, devem agir uns para com os outros em espírito de fraternidade. Todo indivíduo tem direito à vida,
        à liberdade e à segurança pessoal. Ninguém será mantido em escravatura ou em servidão; a escravatura e o trato
        dos escravos, sob todas as formas, são proibidos.""",
}

if __name__ == "__main__":
    folder = Path(sys.argv[1]) / "speech"
    folder.mkdir(parents=True, exist_ok=True)
    for language, text in TEXTS.items():
        for voice, speed in zip(VOICES, SPEEDS, strict=True):
            options = ["-v", f"{language}+{voice}", "-s", str(speed), "-w", folder / f"{language}-{voice}-{speed}.wav"]
            subprocess.run(["espeak-ng", *options, " ".join(text.split())], check=True)
    print(f"{folder}: {len(TEXTS) * len(VOICES)} files")
