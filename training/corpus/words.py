"""Words that fill slots."""


def _list(text):
    return [word.strip() for word in text.replace("\n", " ").split(",") if word.strip()]


ONSETS = _list("b, br, c, d, dr, f, g, gr, h, k, l, m, n, p, qu, r, s, st, t, tr, v, w, z, sh, th, j")
VOWELS = _list("a, e, i, o, u, a, e, i, o, ai, ea, oo, ie")
CODAS = _list("n, r, l, s, t, m, k, x, nd, sk, th, ra, lo, ia, a, o, e, i") + ["", ""]

NAMES = _list("""Anna, Ben, Clara, David, Emma, Felix, Grace, Henry, Ida, Jack, Karin, Leo, Maria, Noah, Olga, Paul, Rosa, Simon,
Tara, Victor, Wendy, Adam, Bella, Carlos, Diana, Erik, Fiona, George, Hanna, Ivan, Julia, Kevin, Laura, Martin, Nina, Oscar,
Petra, Robert, Sara, Thomas, Vera, William, Yusuf, Zoe, Alice, Bruno, Chloe, Daniel, Elena, Frank, Greta, Hugo, Irene, James,
Kate, Lucas, Mia, Nora, Oliver, Paula, Ravi, Sofia, Tim, Ursula, Walter, Amir, Beatrice, Colin, Dora, Edward, Fatima, Gavin,
Helen, Isaac, Jane, Karl, Lena, Mark, Naomi, Otto, Priya, Ruth, Sam, Tina, Viktor, Aisha, Boris, Celia, Dennis, Eva, Finn,
Gloria, Harry, Ines, Jonas, Kim, Lily, Max, Nadia, Owen, Pia, Rachel, Stefan, Theo, Valerie, Will, Yara, Alan, Bridget,
Charles, Doris, Elias, Freya, Gustav, Holly, Igor, Joan, Klaus, Linda, Miguel, Nick, Omar, Peter, Rita, Sven, Tom, Ute, Vincent,
John, Mary, Michael, Susan, Lisa, Chris, Alex, Bob, Carol, Dave, Eve, Luis, Ana, Kenji, Yuki, Mei, Chen, Ali, Leila""")

SURNAMES = _list("""Smith, Jones, Brown, Taylor, Wilson, Evans, Walker, White, Green, Hall, Wood, Clark, King, Baker, Hill, Moore,
Cooper, Ward, Turner, Carter, Parker, Collins, Bell, Young, Müller, Schmidt, Weber, Fischer, Becker, Hoffmann, Garcia, Lopez,
Silva, Santos, Rossi, Bianchi, Dubois, Martin, Bernard, Laurent, Novak, Kowalski, Jansen, Larsen, Nilsson, Tanaka, Sato, Kim, Lee,
Chen, Wang, Patel, Khan, Singh, Haddad, Mensah, Okafor, Costa, Moreau, Keller""")

CITIES = _list("""Paris, London, Berlin, Madrid, Rome, Vienna, Lisbon, Dublin, Oslo, Stockholm, Helsinki, Copenhagen, Warsaw, Prague,
Budapest, Athens, Brussels, Amsterdam, Zurich, Geneva, Munich, Hamburg, Cologne, Lyon, Nice, Milan, Turin, Naples, Barcelona,
Seville, Porto, Krakow, Bergen, Leeds, Bristol, Glasgow, Boston, Chicago, Denver, Seattle, Dallas, Miami, Toronto, Montreal,
Vancouver, Lima, Bogota, Quito, Santiago, Tokyo, Osaka, Kyoto, Seoul, Beijing, Delhi, Mumbai, Cairo, Nairobi, Lagos, Accra,
Tunis, Sydney, Perth, Auckland, Istanbul, Ankara, Riga, Tallinn, Vilnius, Sofia, Zagreb, Ghent, Basel, Bonn, Dresden, Leipzig,
Bremen, Salzburg, Graz, Marseille, Bordeaux, Nantes, Valencia, Malaga, Florence, Venice, Bologna, York, Oxford, Cambridge, Cork,
New York, San Francisco, Los Angeles, Hong Kong, Singapore, Bangkok, Hanoi, Jakarta, Manila, Cape Town""")

THINGS = _list("""lamp, chair, table, book, phone, jacket, backpack, kettle, mug, bicycle, umbrella, camera, keyboard, monitor, printer,
watch, blanket, pillow, mirror, clock, radio, knife, pan, pot, plate, spoon, bottle, basket, candle, towel, rug, shelf, desk, sofa,
mattress, heater, fan, toaster, oven, fridge, vacuum cleaner, drill, hammer, ladder, bucket, tent, sleeping bag, pair of shoes,
hat, scarf, shirt, sweater, coat, belt, wallet, suitcase, guitar, violin, flute, drum, puzzle, board game, notebook, pen, pencil,
headset, speaker, charger, cable, mouse, tablet, laptop, helmet, ball, racket, skateboard, kite, doll, toy train, plant""")

ANIMALS = _list("""fox, cat, dog, owl, bear, mouse, rabbit, hedgehog, squirrel, otter, badger, duck, goose, frog, horse, goat, sheep, pig,
hen, crow, robin, turtle, wolf, deer, mole, beaver, swan, bee, snail, donkey""")

COLOURS = _list("red, blue, green, yellow, white, black, brown, grey, pink, orange, purple, golden, silver")
DAYS = _list("Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday")
MONTHS = _list("January, February, March, April, May, June, July, August, September, October, November, December")
JOBS = _list("""teacher, nurse, baker, driver, doctor, engineer, cook, painter, writer, farmer, pilot, lawyer, gardener, singer, dentist,
carpenter, plumber, librarian, waiter, tailor, photographer, electrician, journalist, chemist, architect, mechanic""")


def a(noun):
    """The noun with its article."""
    return ("an " if noun[0].lower() in "aeiou" and not noun.lower().startswith(("use", "uni")) else "a ") + noun
