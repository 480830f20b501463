"""Language tags: the shortest code (RFC 5646 §2.2.1), and what people call it."""

from __future__ import annotations

# ISO 639-2 → ISO 639-1, both of ISO 639-2's codes where it has two (id.loc.gov).
_SHORT = """
aar aa abk ab afr af aka ak alb sq amh am ara ar arg an arm hy asm as ava av ave ae
aym ay aze az bak ba bam bm baq eu bel be ben bn bis bi bod bo bos bs bre br bul bg
bur my cat ca ces cs cha ch che ce chi zh chu cu chv cv cor kw cos co cre cr cym cy
cze cs dan da deu de div dv dut nl dzo dz ell el eng en epo eo est et eus eu ewe ee
fao fo fas fa fij fj fin fi fra fr fre fr fry fy ful ff geo ka ger de gla gd gle ga
glg gl glv gv gre el grn gn guj gu hat ht hau ha heb he her hz hin hi hmo ho hrv hr
hun hu hye hy ibo ig ice is ido io iii ii iku iu ile ie ina ia ind id ipk ik isl is
ita it jav jv jpn ja kal kl kan kn kas ks kat ka kau kr kaz kk khm km kik ki kin rw
kir ky kom kv kon kg kor ko kua kj kur ku lao lo lat la lav lv lim li lin ln lit lt
ltz lb lub lu lug lg mac mk mah mh mal ml mao mi mar mr may ms mkd mk mlg mg mlt mt
mon mn mri mi msa ms mya my nau na nav nv nbl nr nde nd ndo ng nep ne nld nl nno nn
nob nb nor no nya ny oci oc oji oj ori or orm om oss os pan pa per fa pli pi pol pl
por pt pus ps que qu roh rm ron ro rum ro run rn rus ru sag sg san sa sin si slk sk
slo sk slv sl sme se smo sm sna sn snd sd som so sot st spa es sqi sq srd sc srp sr
ssw ss sun su swa sw swe sv tah ty tam ta tat tt tel te tgk tg tgl tl tha th tib bo
tir ti ton to tsn tn tso ts tuk tk tur tr twi tw uig ug ukr uk urd ur uzb uz ven ve
vie vi vol vo wel cy wln wa wol wo xho xh yid yi yor yo zha za zho zh zul zu
""".split()  # noqa: SIM905 - two hundred pairs of quotes would hide the codes
_SHORTEST = dict(zip(_SHORT[::2], _SHORT[1::2], strict=True))


def shortest(tag: str) -> str:
    """`eng` → `en`, `por-BR` → `pt-BR`; what has no shorter code stays."""
    language, hyphen, rest = tag.partition("-")
    return _SHORTEST.get(language.lower(), language) + hyphen + rest


def in_hls(tag: str | None) -> str:
    """
    As HLS lists a track: the shortest code, or `und` where nobody knows it (RFC 5646,
    4.1). Apple's HLS authoring specification, 8.10, has every track name a language.
    """
    return "und" if tag is None else shortest(tag)


# ISO 639-1 → the English name, as CLDR has it; and a few that films are tagged with.
_NAMES = """
aa Afar|ab Abkhazian|ae Avestan|af Afrikaans|ak Akan|am Amharic|an Aragonese|ar Arabic|
as Assamese|av Avaric|ay Aymara|az Azerbaijani|ba Bashkir|be Belarusian|bg Bulgarian|
bi Bislama|bm Bambara|bn Bangla|bo Tibetan|br Breton|bs Bosnian|ca Catalan|ce Chechen|
ch Chamorro|co Corsican|cr Cree|cs Czech|cu Church Slavic|cv Chuvash|cy Welsh|da Danish|
de German|dv Divehi|dz Dzongkha|ee Ewe|el Greek|en English|eo Esperanto|es Spanish|
et Estonian|eu Basque|fa Persian|ff Fula|fi Finnish|fj Fijian|fo Faroese|fr French|
fy Western Frisian|ga Irish|gd Scottish Gaelic|gl Galician|gn Guarani|gu Gujarati|
gv Manx|ha Hausa|he Hebrew|hi Hindi|ho Hiri Motu|hr Croatian|ht Haitian Creole|
hu Hungarian|hy Armenian|hz Herero|ia Interlingua|id Indonesian|ie Interlingue|ig Igbo|
ii Sichuan Yi|ik Inupiaq|io Ido|is Icelandic|it Italian|iu Inuktitut|ja Japanese|
jv Javanese|ka Georgian|kg Kongo|ki Kikuyu|kj Kuanyama|kk Kazakh|kl Kalaallisut|
km Khmer|kn Kannada|ko Korean|kr Kanuri|ks Kashmiri|ku Kurdish|kv Komi|kw Cornish|
ky Kyrgyz|la Latin|lb Luxembourgish|lg Ganda|li Limburgish|ln Lingala|lo Lao|
lt Lithuanian|lu Luba-Katanga|lv Latvian|mg Malagasy|mh Marshallese|mi Māori|
mk Macedonian|ml Malayalam|mn Mongolian|mr Marathi|ms Malay|mt Maltese|my Burmese|
na Nauru|nb Norwegian Bokmål|nd North Ndebele|ne Nepali|ng Ndonga|nl Dutch|
nn Norwegian Nynorsk|no Norwegian|nr South Ndebele|nv Navajo|ny Nyanja|oc Occitan|
oj Ojibwa|om Oromo|or Odia|os Ossetic|pa Punjabi|pi Pali|pl Polish|ps Pashto|
pt Portuguese|qu Quechua|rm Romansh|rn Rundi|ro Romanian|ru Russian|rw Kinyarwanda|
sa Sanskrit|sc Sardinian|sd Sindhi|se Northern Sami|sg Sango|si Sinhala|sk Slovak|
sl Slovenian|sm Samoan|sn Shona|so Somali|sq Albanian|sr Serbian|ss Swati|
st Southern Sotho|su Sundanese|sv Swedish|sw Swahili|ta Tamil|te Telugu|tg Tajik|
th Thai|ti Tigrinya|tk Turkmen|tl Tagalog|tn Tswana|to Tongan|tr Turkish|ts Tsonga|
tt Tatar|tw Twi|ty Tahitian|ug Uyghur|uk Ukrainian|ur Urdu|uz Uzbek|ve Venda|
vi Vietnamese|vo Volapük|wa Walloon|wo Wolof|xh Xhosa|yi Yiddish|yo Yoruba|za Zhuang|
zh Chinese|zu Zulu|cmn Mandarin Chinese|yue Cantonese|fil Filipino|gsw Swiss German|
mul Several languages|zxx No speech|mis Another language
"""
_ENGLISH = dict(
    entry.split(" ", 1) for entry in _NAMES.replace("\n", "").strip("|").split("|")
)


def called(tag: str) -> str:
    """
    `eng` → `English`, `pt-br` → `Portuguese (BR)`; a tag nobody knows stays as it is.

    A player that knows its user's language names tracks by their tag; others show this.
    """
    language, _, rest = shortest(tag).partition("-")
    name = _ENGLISH.get(language.lower())
    if name is None:
        return tag
    # BCP 47's way of writing: regions in capitals, scripts with one.
    parts = [it.upper() if len(it) == 2 else it.title() for it in rest.split("-")]  # noqa: PLR2004
    return f"{name} ({', '.join(parts)})" if rest else name
