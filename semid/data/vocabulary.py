"""The words of the generated catalogue: a tree of categories with product types, and what sets products apart.

A line of a subcategory is one leaf: `name: product type, product type, product type | materials`.
"""

TREE: dict[str, dict[str, str]] = {
    "Home & Kitchen": {
        "Cookware": """
            Frying Pans: Frying Pan, Crepe Pan, Grill Skillet | cast iron, carbon steel, nonstick aluminum
            Stock Pots: Stock Pot, Soup Pot, Pasta Pot with Strainer | stainless steel, enameled steel, copper
            Bakeware: Muffin Tin, Loaf Pan, Springform Cake Pan | silicone, tinplate, ceramic
            Kettles: Whistling Tea Kettle, Gooseneck Kettle, Electric Water Kettle | glass, stainless steel, enamel
            Dutch Ovens: Dutch Oven, Braiser, Bean Casserole | cast iron, stoneware, enamel
            Roasting Pans: Roasting Pan with Rack, Turkey Roaster, Broiler Tray | steel, granite ware, aluminum""",
        "Kitchen Tools": """
            Knives: Chef Knife, Paring Knife, Bread Knife | Damascus steel, ceramic, molybdenum steel
            Cutting Boards: Cutting Board, Carving Board, Chopping Mat | bamboo, acacia wood, polypropylene
            Peelers: Vegetable Peeler, Apple Corer, Mandoline Slicer | steel, plastic, zinc alloy
            Measuring Tools: Measuring Cup Set, Kitchen Scale, Meat Thermometer | acrylic, steel, glass
            Can Openers: Can Opener, Bottle Opener, Corkscrew | chrome, steel, rubber
            Spice Grinders: Pepper Mill, Salt Grinder, Mortar and Pestle | beechwood, marble, granite""",
        "Bedding": """
            Sheets: Fitted Sheet, Flat Sheet Set, Sheet and Pillowcase Bundle | percale cotton, linen, bamboo viscose
            Pillows: Bed Pillow, Cervical Pillow, Body Pillow | memory foam, goose down, latex
            Comforters: Comforter, Duvet Insert, Quilt | microfiber, goose down, cotton
            Mattress Toppers: Mattress Topper, Mattress Protector, Mattress Pad | gel foam, terry cotton, wool
            Blankets: Throw Blanket, Weighted Blanket, Electric Blanket | fleece, sherpa, chenille
            Bed Frames: Platform Bed Frame, Headboard, Box Spring | pine wood, steel, upholstered velvet""",
        "Bath": """
            Towels: Bath Towel, Hand Towel Set, Washcloth Pack | Turkish cotton, waffle cotton, bamboo
            Shower Curtains: Shower Curtain, Shower Liner, Curtain Ring Set | polyester, vinyl, waffle fabric
            Bath Mats: Bath Mat, Toilet Rug, Tub Mat with Suction Cups | memory foam, chenille, teak
            Soap Dispensers: Soap Dispenser, Toothbrush Holder, Soap Dish | ceramic, resin, glass
            Shower Heads: Shower Head, Handheld Shower, Shower Filter | brass, chrome, ABS plastic
            Laundry: Laundry Hamper, Drying Rack, Ironing Board | canvas, bamboo, steel""",
        "Decor": """
            Candles: Scented Candle, Flameless LED Candle, Candle Holder | soy wax, beeswax, brass
            Clocks: Wall Clock, Alarm Clock, Mantel Clock | walnut wood, metal, acrylic
            Picture Frames: Picture Frame, Collage Frame, Shadow Box | oak, aluminum, glass
            Lamps: Table Lamp, Floor Lamp, Bedside Night Light | ceramic, rattan, iron
            Rugs: Area Rug, Runner Rug, Shag Carpet | jute, wool, polypropylene
            Curtains: Blackout Curtain, Sheer Curtain Panel, Window Valance | velvet, linen, voile""",
    },
    "Electronics": {
        "Audio": """
            Headphones: Over Ear Headphones, Noise Cancelling Headset, DJ Headphones | leather, foam, plastic
            Earbuds: Wireless Earbuds, In Ear Monitors, Sport Earphones | silicone, titanium, plastic
            Speakers: Bluetooth Speaker, Bookshelf Speaker, Subwoofer | wood, fabric mesh, aluminum
            Microphones: USB Condenser Microphone, Lavalier Microphone, Karaoke Microphone | metal, steel mesh, zinc
            Turntables: Vinyl Record Player, Phono Preamp, Turntable Cartridge | walnut, acrylic, aluminum
            Radios: Weather Radio, Shortwave Radio, Two Way Walkie Talkie | ABS plastic, wood, rubber""",
        "Computer Accessories": """
            Keyboards: Mechanical Keyboard, Ergonomic Keyboard, Numeric Keypad | PBT plastic, aluminum, silicone
            Mice: Wireless Mouse, Gaming Mouse, Trackball Mouse | plastic, rubber, magnesium
            Monitors: Curved Monitor, Portable Monitor, Monitor Arm | steel, plastic, aluminum
            Webcams: HD Webcam, Conference Camera, Webcam Privacy Cover | plastic, metal, glass
            Storage Drives: External Hard Drive, Solid State Drive, USB Flash Drive | aluminum, rubber, steel
            Laptop Stands: Laptop Stand, Laptop Cooling Pad, Docking Station | aluminum, bamboo, steel""",
        "Cameras": """
            Action Cameras: Action Camera, Dash Camera, Helmet Camera | polycarbonate, rubber, aluminum
            Tripods: Camera Tripod, Gorilla Flexible Tripod, Monopod | carbon fiber, aluminum, foam
            Lenses: Macro Lens, Telephoto Lens, UV Lens Filter | optical glass, brass, aluminum
            Camera Bags: Camera Backpack, Lens Pouch, Camera Shoulder Strap | nylon, waxed canvas, leather
            Studio Lighting: Softbox Light Kit, Ring Light, Photography Backdrop | nylon, aluminum, muslin
            Instant Photo: Instant Camera, Instant Film Pack, Photo Printer | plastic, paper, metal""",
        "Phones": """
            Phone Cases: Phone Case, Wallet Phone Case, Waterproof Phone Pouch | silicone, leather, polycarbonate
            Screen Protectors: Screen Protector, Privacy Screen Film, Lens Protector | tempered glass, TPU, ceramic
            Chargers: Wall Charger, Wireless Charging Pad, Car Charger | plastic, aluminum, fabric
            Cables: Lightning Cable, USB C Cable, Charging Cable Organizer | braided nylon, TPE, silicone
            Power Banks: Power Bank, Solar Charger, Jump Starter | lithium polymer, aluminum, ABS
            Phone Mounts: Car Phone Mount, Phone Desk Stand, Bike Phone Holder | magnet, gel, aluminum""",
        "Smart Home": """
            Smart Plugs: Smart Plug, Smart Power Strip, Smart Light Switch | plastic, copper, polycarbonate
            Smart Bulbs: Smart LED Bulb, LED Strip Lights, Smart Floodlight | glass, plastic, silicone
            Security Cameras: Security Camera, Video Doorbell, Baby Monitor | metal, plastic, glass
            Thermostats: Smart Thermostat, Room Humidity Sensor, Air Quality Monitor | plastic, steel, glass
            Robot Vacuums: Robot Vacuum, Robot Mop, Vacuum Replacement Filter Kit | plastic, rubber, microfiber
            Streaming: Streaming Stick, TV Antenna, Universal Remote | plastic, aluminum, silicone""",
    },
    "Beauty & Personal Care": {
        "Skin Care": """
            Moisturizers: Face Moisturizer, Night Cream, Body Lotion | hyaluronic acid, shea butter, ceramide
            Cleansers: Facial Cleanser, Micellar Water, Makeup Remover Balm | green tea, aloe vera, charcoal
            Serums: Vitamin C Serum, Retinol Serum, Eye Serum | niacinamide, peptide, rosehip oil
            Masks: Clay Face Mask, Sheet Mask Pack, Sleeping Mask | kaolin clay, collagen, honey
            Sunscreens: Sunscreen Lotion, Sunscreen Stick, After Sun Gel | zinc oxide, coconut, aloe vera
            Lip Care: Lip Balm, Lip Scrub, Lip Sleeping Mask | beeswax, cocoa butter, berry extract""",
        "Hair Care": """
            Shampoos: Shampoo, Dry Shampoo, Dandruff Shampoo | argan oil, tea tree, keratin
            Conditioners: Conditioner, Leave In Conditioner, Hair Mask | coconut oil, keratin, avocado
            Hair Dryers: Hair Dryer, Diffuser Attachment, Hot Air Brush | ceramic, tourmaline, ionic
            Styling Irons: Hair Straightener, Curling Wand, Hair Crimper | titanium, ceramic, tourmaline
            Hair Colors: Permanent Hair Color, Root Touch Up Powder, Hair Bleach Kit | henna, ammonia free, argan oil
            Brushes: Detangling Brush, Round Brush, Wide Tooth Comb | boar bristle, bamboo, nylon""",
        "Makeup": """
            Foundations: Liquid Foundation, Concealer Stick, BB Cream | mineral, silicone, vitamin E
            Lipsticks: Matte Lipstick, Lip Gloss, Lip Liner Pencil | wax, jojoba, pigment
            Eye Makeup: Eyeshadow Palette, Mascara, Liquid Eyeliner | shimmer, matte, waterproof
            Makeup Brushes: Makeup Brush Set, Beauty Sponge, Eyelash Curler | synthetic hair, foam, steel
            Blush: Powder Blush, Bronzer, Face Highlighter | mineral powder, cream, baked
            Nail Polish: Gel Nail Polish, Nail Polish Remover, Cuticle Oil | acetone free, gel, vitamin E""",
        "Shaving & Grooming": """
            Razors: Safety Razor, Disposable Razor Pack, Razor Blade Refill | chrome, steel, bamboo
            Electric Shavers: Electric Shaver, Nose Hair Trimmer, Body Groomer | titanium, steel, ceramic
            Beard Care: Beard Oil, Beard Balm, Beard Trimmer | cedarwood, sandalwood, jojoba
            Shaving Cream: Shaving Cream, Aftershave Balm, Shaving Brush | badger hair, menthol, lavender
            Hair Removal: Wax Warmer Kit, Epilator, Hair Removal Cream | honey wax, steel, aloe
            Deodorants: Deodorant Stick, Antiperspirant Spray, Body Powder | baking soda, coconut, talc free""",
        "Oral Care & Fragrance": """
            Toothbrushes: Electric Toothbrush, Toothbrush Heads, Travel Toothbrush | bamboo, nylon, charcoal
            Toothpaste: Whitening Toothpaste, Sensitive Toothpaste, Kids Toothpaste | fluoride, charcoal, mint
            Floss: Dental Floss, Water Flosser, Floss Picks | silk, waxed nylon, plastic
            Mouthwash: Mouthwash, Tongue Scraper, Breath Spray | mint, copper, alcohol free
            Perfumes: Eau de Parfum, Body Mist, Rollerball Perfume Oil | jasmine, vanilla, amber
            Bath Products: Bath Bomb Set, Bubble Bath, Epsom Salt Soak | lavender, eucalyptus, magnesium""",
    },
    "Sports & Outdoors": {
        "Camping": """
            Tents: Dome Tent, Backpacking Tent, Pop Up Canopy | ripstop nylon, polyester, canvas
            Sleeping Bags: Sleeping Bag, Sleeping Bag Liner, Camping Quilt | goose down, fleece, silk
            Sleeping Pads: Inflatable Sleeping Pad, Air Mattress, Camping Cot | foam, TPU, aluminum
            Camp Stoves: Camping Stove, Mess Kit, Portable Fire Pit | titanium, cast iron, steel
            Lanterns: Camping Lantern, Headlamp, Tactical Flashlight | aluminum, silicone, plastic
            Coolers: Hard Cooler, Soft Cooler Bag, Reusable Ice Packs | rotomolded plastic, nylon, gel""",
        "Fitness": """
            Weights: Dumbbell Set, Kettlebell, Barbell Plate | cast iron, neoprene, rubber
            Yoga: Yoga Mat, Yoga Block, Yoga Strap | cork, natural rubber, cotton
            Resistance Bands: Resistance Band Set, Loop Bands, Pull Up Assist Band | latex, fabric, rubber
            Cardio: Jump Rope, Exercise Bike, Folding Treadmill | steel, PVC, aluminum
            Massage: Foam Roller, Massage Gun, Massage Ball | EVA foam, cork, silicone
            Gym Bags: Gym Duffel Bag, Shaker Bottle, Lifting Gloves | nylon, leather, neoprene""",
        "Cycling": """
            Bike Lights: Bike Headlight, Bike Tail Light, Wheel Spoke Lights | aluminum, silicone, plastic
            Helmets: Road Bike Helmet, Mountain Bike Helmet, Kids Bike Helmet | EPS foam, polycarbonate, carbon
            Bike Tires: Road Bike Tire, Inner Tube, Tubeless Sealant | rubber, butyl, latex
            Bike Tools: Bike Multi Tool, Bike Pump, Chain Cleaner | chrome vanadium, aluminum, steel
            Saddles: Bike Saddle, Gel Seat Cover, Bike Seatpost | leather, gel, carbon
            Bike Bags: Handlebar Bag, Pannier Bag, Saddle Bag | canvas, TPU, nylon""",
        "Fishing & Hunting": """
            Fishing Rods: Spinning Rod, Fly Rod, Telescopic Fishing Rod | graphite, fiberglass, cork
            Reels: Spinning Reel, Baitcasting Reel, Fly Reel | aluminum, graphite, brass
            Lures: Crankbait Lure, Soft Plastic Worm, Jig Head | lead free, silicone, balsa wood
            Tackle: Tackle Box, Fishing Line Spool, Hook Assortment | fluorocarbon, braided, high carbon steel
            Optics: Binoculars, Rifle Scope, Trail Camera | optical glass, magnesium, rubber
            Archery: Compound Bow, Arrow Pack, Archery Target | carbon, foam, fiberglass""",
        "Water Sports": """
            Kayaks: Inflatable Kayak, Kayak Paddle, Kayak Roof Rack | PVC, fiberglass, steel
            Swimming: Swim Goggles, Swim Cap, Kickboard | silicone, polycarbonate, EVA foam
            Snorkeling: Snorkel Mask, Dive Fins, Snorkel Set | tempered glass, silicone, rubber
            Wetsuits: Wetsuit, Rash Guard, Water Shoes | neoprene, lycra, rubber
            Life Jackets: Life Jacket, Dog Life Vest, Throw Ring | nylon, foam, polyester
            Paddle Boards: Paddle Board, Board Leash, Surfboard Wax | drop stitch PVC, epoxy, coconut wax""",
    },
    "Pet Supplies": {
        "Dogs": """
            Dog Food: Dry Dog Food, Canned Dog Food, Puppy Food | chicken, salmon, grain free lamb
            Dog Treats: Dog Training Treats, Dental Chews, Bully Sticks | beef, peanut butter, sweet potato
            Dog Beds: Orthopedic Dog Bed, Elevated Dog Cot, Crate Mat | memory foam, mesh, sherpa
            Leashes: Dog Leash, Dog Harness, Retractable Leash | nylon, leather, climbing rope
            Dog Toys: Squeaky Dog Toy, Rope Tug Toy, Treat Puzzle | plush, natural rubber, cotton rope
            Crates: Dog Crate, Pet Gate, Soft Travel Kennel | wire, wood, oxford fabric""",
        "Cats": """
            Cat Food: Wet Cat Food, Dry Cat Food, Kitten Formula | tuna, turkey, chicken
            Litter: Clumping Cat Litter, Litter Box, Litter Mat | clay, tofu, pine
            Scratchers: Cat Scratching Post, Cardboard Scratcher, Cat Tree | sisal, cardboard, plush
            Cat Toys: Feather Wand, Catnip Mouse, Laser Pointer | feather, catnip, felt
            Cat Carriers: Cat Carrier, Cat Backpack, Cat Harness | mesh, polyester, plastic
            Cat Fountains: Cat Water Fountain, Automatic Cat Feeder, Fountain Filter | ceramic, steel, charcoal""",
        "Fish & Reptiles": """
            Aquariums: Glass Aquarium, Betta Tank, Aquarium Stand | glass, acrylic, steel
            Aquarium Filters: Canister Filter, Sponge Filter, Filter Media | foam, ceramic ring, activated carbon
            Fish Food: Fish Flakes, Algae Wafers, Frozen Brine Shrimp | spirulina, krill, insect
            Aquarium Decor: Aquarium Gravel, Driftwood, Artificial Aquarium Plants | silk, resin, stone
            Terrariums: Reptile Terrarium, Turtle Tank, Terrarium Substrate | glass, coconut fiber, mesh
            Reptile Heating: Heat Lamp, Reptile Heat Mat, UVB Bulb | ceramic, glass, copper""",
        "Birds & Small Animals": """
            Bird Cages: Parakeet Cage, Cage Cover, Travel Bird Cage | wrought iron, steel, cotton
            Bird Food: Parrot Food, Wild Bird Seed, Suet Cakes | sunflower seed, millet, dried fruit
            Bird Toys: Bird Swing, Foraging Toy, Bird Perch | natural wood, rope, acrylic
            Hamster Cages: Hamster Cage, Hamster Wheel, Hamster Tunnel | wire, plastic, wood
            Hay: Timothy Hay, Alfalfa Pellets, Hay Feeder | timothy, alfalfa, wood
            Bedding Pellets: Paper Bedding, Aspen Shavings, Rabbit Litter Pan | paper, aspen, plastic""",
        "Pet Health": """
            Flea Control: Flea Collar, Flea Shampoo, Flea Comb | essential oil, steel, oatmeal
            Pet Vitamins: Joint Supplement Chews, Probiotic Powder, Fish Oil for Dogs | glucosamine, salmon oil, pumpkin
            Grooming: Pet Clippers, Deshedding Brush, Pet Nail Grinder | steel, ceramic, silicone
            Dental: Pet Toothbrush, Pet Toothpaste, Dental Water Additive | silicone, poultry flavor, mint
            Calming: Calming Vest, Calming Diffuser, Hemp Calming Chews | hemp, pheromone, cotton
            Cleanup: Poop Bags, Puppy Training Pads, Enzyme Stain Remover | cornstarch, bamboo, citrus enzyme""",
    },
    "Tools & Garden": {
        "Power Tools": """
            Drills: Cordless Drill, Impact Driver, Hammer Drill | brushless, lithium, steel
            Saws: Circular Saw, Jigsaw, Reciprocating Saw | carbide, steel, magnesium
            Sanders: Orbital Sander, Belt Sander, Sanding Disc Pack | aluminum oxide, rubber, ceramic
            Grinders: Angle Grinder, Bench Grinder, Cutting Wheel | aluminum oxide, diamond, steel
            Heat Guns: Heat Gun, Soldering Iron, Hot Glue Gun | ceramic, copper, brass
            Air Compressors: Air Compressor, Brad Nailer, Air Hose | steel, rubber, aluminum""",
        "Hand Tools": """
            Wrenches: Socket Wrench Set, Adjustable Wrench, Torque Wrench | chrome vanadium, steel, titanium
            Screwdrivers: Screwdriver Set, Precision Screwdriver Kit, Hex Key Set | S2 steel, magnetic, chrome
            Hammers: Claw Hammer, Rubber Mallet, Sledge Hammer | fiberglass, hickory, rubber
            Pliers: Needle Nose Pliers, Locking Pliers, Wire Stripper | nickel steel, vinyl grip, chrome
            Levels: Laser Level, Tape Measure, Stud Finder | aluminum, plastic, steel
            Tool Storage: Tool Bag, Rolling Tool Chest, Tool Belt | ballistic nylon, steel, leather""",
        "Garden": """
            Hoses: Garden Hose, Hose Nozzle, Hose Reel | brass, latex, rubber
            Pruning: Pruning Shears, Hedge Trimmer, Loppers | carbon steel, titanium, aluminum
            Planters: Planter Pot, Raised Garden Bed, Hanging Basket | terracotta, cedar, galvanized steel
            Seeds: Vegetable Seed Pack, Wildflower Seeds, Herb Garden Kit | heirloom, organic, non GMO
            Soil: Potting Soil, Plant Fertilizer, Compost Bin | coco coir, worm castings, bone meal
            Pest Control: Ant Bait, Mosquito Zapper, Mole Repeller | boric acid, solar, peppermint oil""",
        "Outdoor Living": """
            Grills: Charcoal Grill, Gas Grill, Grill Cover | porcelain, cast iron, oxford fabric
            Grill Tools: Grill Brush, Barbecue Tongs, Meat Smoker Chips | bristle free, hickory wood, steel
            Patio Furniture: Patio Chair, Hammock, Patio Umbrella | wicker, teak, olefin
            Bird Feeders: Bird Feeder, Hummingbird Feeder, Bird Bath | copper, glass, cedar
            Outdoor Lighting: Solar Path Light, String Lights, Motion Flood Light | glass, aluminum, plastic
            Snow Removal: Snow Shovel, Ice Melt, Roof Rake | aluminum, calcium chloride, poly""",
        "Hardware": """
            Locks: Door Lock, Padlock, Keypad Deadbolt | brass, hardened steel, zinc
            Hinges: Cabinet Hinge, Drawer Slide, Door Handle | nickel, bronze, steel
            Fasteners: Wood Screws, Drywall Anchors, Zip Ties | zinc plated, nylon, stainless steel
            Adhesives: Epoxy Glue, Duct Tape, Silicone Sealant | epoxy, acrylic, silicone
            Plumbing: Kitchen Faucet, Sink Drain, Toilet Fill Valve | brass, chrome, PEX
            Paint Supplies: Paint Roller Kit, Painter Tape, Paint Sprayer | microfiber, foam, HVLP""",
    },
}

COLOURS = (
    "Black", "White", "Navy Blue", "Forest Green", "Charcoal Gray", "Burgundy", "Teal", "Ivory", "Coral", "Silver",
    "Rose Gold", "Mustard Yellow", "Lavender", "Chocolate Brown", "Sky Blue", "Crimson Red",
)  # fmt: skip
SIZES = (
    "Small", "Medium", "Large", "X-Large", "Mini", "Travel Size", "Family Size", "2 Pack", "3 Pack", "6 Count",
    "12 Count", "8 Inch", "10 Inch", "12 Inch", "24 Inch", "16 oz", "32 oz", "500 ml",
)  # fmt: skip
FEATURES = (
    "Heavy Duty", "Lightweight", "Foldable", "Waterproof", "Adjustable", "Professional Grade", "Eco Friendly",
    "Quick Release", "Extra Thick", "Compact", "Premium", "Portable", "Easy Clean", "Non Slip", "Rechargeable",
    "Classic", "Vintage Style", "Modern", "Ultra Quiet", "Long Lasting",
)  # fmt: skip
USES = (
    "daily use at home", "travel and weekends away", "beginners and professionals", "small apartments", "busy families",
    "outdoor adventures", "the workshop and garage", "gifts and holidays", "sensitive users", "heavy weekly use",
    "students and dorm rooms", "seniors who want an easy grip",
)  # fmt: skip
PRAISES = (
    "Backed by a two year warranty", "Simple to clean and store", "Tested for thousands of uses",
    "Made in small batches", "Ships in recyclable packaging", "Fits most standard sizes", "Ready to use out of the box",
    "Designed with a comfortable grip", "Keeps its shape for years", "Free of harsh chemicals",
)  # fmt: skip
BRAND_STARTS = ("Al", "Bel", "Cor", "Dar", "El", "Fen", "Gal", "Hal", "Ing", "Jor", "Kel", "Lor", "Mar", "Nor", "Or")
BRAND_MIDDLES = ("a", "o", "i", "en", "ar", "os", "un", "eth")
BRAND_ENDS = ("dell", "mont", "vane", "wick", "ton", "ska", "lith", "rix", "bury", "nova", "field", "mark")
VERDICTS = {
    1: ("Broke within days", "Returned it", "Very disappointed"),
    2: ("Not what I expected", "Rather flimsy", "Would not buy again"),
    3: ("Does the job", "Average", "Fine for the price"),
    4: ("Good value", "Works well", "Happy with it"),
    5: ("Love it", "Exactly what I needed", "Buying another one"),
}
