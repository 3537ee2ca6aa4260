SELECT id AS product_id, name, category, brand, CAST(price_minor AS DECIMAL(18,2)) / 100 AS list_price, _read_at AS read_at
FROM cleansed.shop.products
